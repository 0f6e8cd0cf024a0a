"""What holds for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import arriero
from arriero.cli.app import app


def commands_below(command: Any, *words: str) -> Iterator[tuple[str, Any]]:
    """Give every command by its words."""
    yield " ".join(words), command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands_below(below, *words, name)


COMMANDS = dict(commands_below(get_command(app), "arriero"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    """A command says what it does, and each of its options what it is for."""
    command = COMMANDS[name]
    assert command.help
    assert [option.name for option in command.params if not option.help] == []


@pytest.mark.parametrize("words", [[], ["models"], ["audit"]], ids=" ".join)
def test_a_list_of_commands_says_what_each_does(words: list[str]) -> None:
    """In a window of 80 columns, without dots where the sentence was too long."""
    result = CliRunner().invoke(app, [*words, "--help"], terminal_width=80)
    assert "..." not in result.stdout.partition("Commands:")[2]


def test_version_is_the_package_version() -> None:
    """`arriero --version` prints name and version."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"arriero {arriero.__version__}\n")


def test_no_command_shows_the_commands() -> None:
    """`arriero` alone is no success, and shows what there is."""
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "serve" in result.output


def test_an_error_of_ours_is_one_line_and_an_exit_code() -> None:
    """What cannot be done is said on stderr, in one line, without a traceback."""
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--models", "no\nsuch.gguf"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("arriero: models: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["models", "nonsense"],
        ["models", "list", "--timeout", "0"],
        ["serve", "--port", "70000"],
        ["serve", "--nonsense"],
        ["demo", "surplus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    """Wrong words on the command line are told apart from errors."""
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    """The command exists without its libraries, and names the extra."""
    code = f"import sys; sys.modules[{missing!r}] = None; import arriero.cli; arriero.cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"arriero: the command line needs {missing}: pip install 'arriero[cli,server]'\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["models", "--help"], ["nonsense"]], ids=" ".join)
def test_help_and_wrong_usage_load_nothing_heavy(words: list[str]) -> None:
    """Help is there at once: no HTTP library, no server, no llama.cpp, no NumPy, no Rich."""
    code = (
        "import sys, arriero.cli\n"
        "try:\n    arriero.cli.main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "arriero.cli.app" in loaded
    heavy = {"aiohttp", "asyncio", "msgspec", "numpy", "prompt_toolkit", "rich", "urllib3"}
    assert loaded & {*heavy, "uvicorn", "xllamacpp", "arriero.server"} == set()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("arriero be", {"bench"}),
        ("arriero models sh", {"show"}),
        ("arriero bench --warm", {"--warm-up"}),
        ("arriero chat mini-e", {"mini-embed", "mini-embed:latest"}),
        ("arriero models show mini-e", {"mini-embed", "mini-embed:latest"}),
    ],
)
def test_the_shell_completes(server: str, words: str, found: set[str]) -> None:
    """Commands, options, and the names of the server's models."""
    parts = words.split()
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(parts) - 1), "OLLAMA_HOST": server}
    done = subprocess.run(
        [sys.executable, "-c", "import arriero.cli; arriero.cli.main()"],
        env={**os.environ, **asked, "_ARRIERO_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
    )
    assert (set(done.stdout.split()), done.stderr) == (found, "")
