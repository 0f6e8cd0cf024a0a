"""Programs written for the `ollama` package, with only their import line changed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import arriero

from .conftest import PROGRAMS, Caller, run_program
from .scripted import Serve, answer, lines

SOURCE = PROGRAMS / "written_for_ollama.py"
IMPORTS = {
    "official": "import ollama",
    "arriero": "import arriero as ollama",
    "shim": "from arriero import compat; compat.install(); import ollama",
}


@pytest.fixture(scope="module")
def outcomes(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program gave with each import line."""
    if importlib.util.find_spec("ollama") is None:
        pytest.skip("compares with the official package")
    folder, made = tmp_path_factory.mktemp("programs"), {}
    before, line, after = SOURCE.read_text().partition("\nimport ollama\n")
    assert line
    for name, instead in IMPORTS.items():
        program = folder / f"with_{name}.py"
        program.write_text(f"{before}\n{instead}\n{after}")
        made[name] = run_program(str(program), OLLAMA_HOST=embedded)
    return made


def test_the_program_runs_the_same_on_all_three(outcomes: dict[str, Any]) -> None:
    """Official client, ``import arriero as ollama`` and the shim give equal results."""
    assert {name: made.pop("by") for name, made in outcomes.items()} == {
        "official": "ollama",
        "arriero": "arriero",
        "shim": "arriero",
    }
    assert outcomes["arriero"] == outcomes["official"]
    assert outcomes["shim"] == outcomes["official"]


def test_the_program_did_its_work(outcomes: dict[str, Any]) -> None:
    """Equal results are not equally empty ones."""
    made = outcomes["arriero"]
    assert made["chat"].startswith("Hello!")
    assert made["stream"] == made["chat"]
    assert made["in_loop"] == [made["chat"], made["chat"], 3]
    assert made["history"] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert made["tools"][0] == 1
    assert made["structured"] == ["age", "woolly"]
    assert made["embed"] == [1, 2, 192, True]
    assert made["management"]["running"]
    assert made["errors"] == [[404, True], [404, True], ["unreachable"]]
    assert made["thinking"] is True


STEPS = [
    {"status": "pulling manifest"},
    {"status": "pulling abc", "digest": "sha256:abc", "total": 10, "completed": 5},
    {"status": "success"},
]


@pytest.fixture(params=["official", "arriero", "shim"])
def ollama(request: pytest.FixtureRequest) -> ModuleType:
    """Each of the three, by the name programs have for it."""
    if request.param == "arriero":
        return arriero
    found: Any = request.getfixturevalue(request.param)
    return found["ollama"] if isinstance(found, dict) else found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("pull", {"model": "m", "insecure": True}),
        ("push", {"model": "m"}),
        ("create", {"model": "m", "from_": "base", "system": "s", "parameters": {"seed": 1}}),
    ],
)
def test_progress_is_shown_while_it_happens(
    ollama: Any, scripted: Serve, method: str, arguments: dict[str, Any]
) -> None:
    """As a progress bar reads it: by item, by attribute and by ``get``."""
    there = scripted(lines(*STEPS))
    bars: dict[str, list[int]] = {}
    status = None
    with ollama.Client(host=there.url) as client:
        for step in getattr(client, method)(**arguments, stream=True):
            status = step.status
            if digest := step.get("digest"):
                bars.setdefault(digest, []).append(step["completed"] * 100 // step.total)
    assert (bars, status) == ({"sha256:abc": [50]}, "success")
    assert there.last.json["stream"] is True
    assert there.last.json.items() >= {"model": "m"}.items()
    if method == "create":
        assert there.last.json["from"] == "base"


def test_models_are_made_copied_and_deleted(ollama: Any, scripted: Serve, tmp_path: Path) -> None:
    """From a file on disk to the end of the model."""
    file = tmp_path / "m.gguf"
    file.write_bytes(b"weights")

    def reply(asked: Any) -> bytes:
        if asked.method == "HEAD":
            return answer(status="404 Not Found")
        if asked.path.startswith("/api/blobs"):
            return answer(status="201 Created")
        return answer() if asked.path in ("/api/copy", "/api/delete") else answer(STEPS[-1])

    there = scripted(reply)
    with ollama.Client(host=there.url) as client:
        digest = client.create_blob(file)
        assert client.create(model="m", files={"m.gguf": digest}).status == "success"
        assert client.copy("m", "copy").status == "success"
        assert client.delete("copy")["status"] == "success"
        assert client.pull("m")["status"] == "success"
    assert digest.startswith("sha256:")
    sent = {asked.path: asked for asked in there.asked if asked.method != "HEAD"}
    assert sent["/api/create"].json["files"] == {"m.gguf": digest}
    assert sent["/api/copy"].json == {"source": "m", "destination": "copy"}
    assert (sent["/api/delete"].method, sent["/api/delete"].json) == ("DELETE", {"model": "copy"})


def test_web_tools_work_as_tools(ollama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs pass ``ollama.web_search`` in ``tools=``."""
    if "arriero" in ollama.Client.__module__:
        from arriero.schema import tools_to_wire

        (tool,) = tools_to_wire([ollama.web_search])
    else:
        from ollama._utils import convert_function_to_tool

        tool = convert_function_to_tool(ollama.web_search).model_dump()
    assert tool["function"]["name"] == "web_search"
    assert set(tool["function"]["parameters"]["properties"]) >= {"query", "max_results"}


def test_unreachable_servers_are_told_alike(ollama: Any) -> None:
    """The builtin class, in every call that is no stream."""
    with ollama.Client("http://127.0.0.1:1") as client, pytest.raises(ConnectionError):
        client.list()


def test_system_one_questions_are_answered(call: Caller, scripted: Serve) -> None:
    """Questions as records or dicts, answers as records of their kind."""
    reply = {
        "model": "m",
        "answers": {"q": {"type": "noul", "noul": 0.5}},
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    there = scripted(answer(reply))
    questions = {
        "q": arriero.SystemOneNoulQuestion(instructions="is it?"),
        "p": {"type": "score", "instructions": "how much?", "criteria": ["a", "b"]},
    }
    made = call(there.url, "systemone", "m", "state", questions)
    assert isinstance(made.answers["q"], arriero.SystemOneNoulAnswer)
    assert there.last.path == "/v1/systemone"
    assert there.last.json["questions"]["q"] == {"type": "noul", "instructions": "is it?"}
