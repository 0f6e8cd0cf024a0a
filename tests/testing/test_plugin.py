"""The fixtures, in test runs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

OTHERS = [one.name for one in entry_points(group="pytest11") if one.name != "arriero"]
ALONE = [word for name in ("cacheprovider", *OTHERS) for word in ("-p", f"no:{name}")]


def run(folder: Path, test: str, *options: str) -> tuple[int, str]:
    """Run a file of tests; give the exit code and what was printed."""
    (folder / "test_it.py").write_text(test, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *ALONE, *options, "test_it.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stdout + done.stderr


FIXTURES = """
import os, pathlib
import pytest
from arriero import Client

USER = [{"role": "user", "content": "Hello"}]

def test_server(ollama_server):
    ollama_server.on(says="Hello").reply("Hi.")
    with Client(ollama_server.url) as client:
        assert client.chat("any", USER).message.content == "Hi."

def test_each_test_has_its_own(ollama_server):
    assert not ollama_server.requests

def test_environment(ollama_host, ollama_server):
    ollama_server.on().reply("Hi.")
    assert os.environ["OLLAMA_HOST"] == ollama_host == ollama_server.url
    with Client() as client:
        assert client.chat("any", USER).message.content == "Hi."

def test_environment_is_put_back():
    assert os.environ.get("OLLAMA_HOST") == "before"

def test_several(ollama_server_factory):
    one, other = ollama_server_factory(), ollama_server_factory(["small"], dimensions=3)
    assert one.url != other.url
    with Client(other.url) as client:
        assert [model.model for model in client.list().models] == ["small:latest"]

@pytest.fixture(scope="session")
def shared(ollama_session_server_factory):
    return ollama_session_server_factory()

@pytest.mark.parametrize("count", [0, 1])
def test_session(shared, count):
    with Client(shared.url) as client:
        assert len(shared.requests) == count
        client.version()

def test_real(real_ollama_server):
    with Client(real_ollama_server.url) as client:
        assert client.chat("mini", USER, options={"num_predict": 2}).message.content
"""


def test_the_fixtures_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each as its docstring says, without any import or configuration."""
    monkeypatch.setenv("OLLAMA_HOST", "before")

    code, told = run(tmp_path, FIXTURES, "-W", "error")

    assert code == 0, told
    assert "8 passed" in told


def test_a_question_without_a_rule_fails_the_test(tmp_path: Path) -> None:
    """Even where the code under test swallows the error."""
    test = (
        "import contextlib, arriero\n"
        "def test_it(ollama_server):\n"
        "    with arriero.Client(ollama_server.url) as client:\n"
        "        with contextlib.suppress(arriero.ServerError):\n"
        "            client.generate('any', 'Who are you?')\n"
    )

    code, told = run(tmp_path, test)

    assert code == 1
    assert "no rule was for these questions:" in told
    assert "any:latest: 'Who are you?'" in told


def test_the_real_server_is_skipped_without_its_extra(tmp_path: Path) -> None:
    """With the reason."""
    test = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "def none(name, *rest):\n"
        "    return None if name == 'xllamacpp' else find(name, *rest)\n"
        "import arriero.server.running as running\n"
        "running.find_spec = none\n"
        "def test_it(real_ollama_server):\n"
        "    raise AssertionError\n"
    )

    code, told = run(tmp_path, test, "-rs")

    assert code == 0, told
    assert "the embedded server needs xllamacpp: pip install 'arriero[server]'" in told


def test_pytest_starts_without_loading_anything(tmp_path: Path) -> None:
    """The plugin is there, and nothing of what it needs."""
    test = (
        "import sys\n"
        "def test_it():\n"
        "    assert 'arriero.testing.plugin' in sys.modules\n"
        "    ours = {name for name in sys.modules if name.split('.')[0] == 'arriero'}\n"
        "    assert ours == {'arriero', 'arriero._version', 'arriero.testing',"
        " 'arriero.testing.plugin'}\n"
        "    assert not {'msgspec', 'h11', 'aiohttp', 'urllib3', 'uvicorn'} & set(sys.modules)\n"
    )

    code, told = run(tmp_path, test)

    assert code == 0, told
