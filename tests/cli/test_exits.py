"""Exit codes, and how commands end early."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arriero import errors
from arriero.cli.exits import MEANINGS, ExitCode, exit_code_of, tell
from arriero.cli.printable import wrapped
from arriero.testing import ScriptedServer

from .peer import Peer
from .terminal import Terminal

PULLING = {"status": "pulling 0123456789ab", "digest": "sha256:01", "total": 1000, "completed": 10}


def test_every_code_says_what_it_means() -> None:
    """The table in docs/cli.md has a line for each code."""
    assert list(MEANINGS) == list(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RequestError("x"), ExitCode.USAGE),
        (errors.MissingExtra("x"), ExitCode.FAILED),
        (errors.ConnectFailed("x"), ExitCode.UNREACHABLE),
        (errors.ConnectionLost("x"), ExitCode.UNREACHABLE),
        (errors.DeadlineExceeded("total_s", 1), ExitCode.DEADLINE),
        (errors.ModelNotFound("x", 404), ExitCode.NOT_FOUND),
        (errors.AccessDenied("x", 401), ExitCode.REFUSED),
        (errors.CredentialError("x", "y"), ExitCode.REFUSED),
        (errors.PolicyError("x"), ExitCode.REFUSED),
        (errors.LimitReached("x"), ExitCode.BUSY),
        (errors.CircuitOpen("x"), ExitCode.BUSY),
        (errors.VerificationFailed("x", "digest", "y"), ExitCode.BROKEN),
        (errors.DiskFull("x", None), ExitCode.SERVER),
        (errors.RateLimited("x", 429), ExitCode.BUSY),
        (errors.ServerBusy("x", 503), ExitCode.BUSY),
        (errors.ServerError("x", 500), ExitCode.SERVER),
        (errors.CapabilityError("x", 400), ExitCode.SERVER),
        (errors.StreamFailed("x"), ExitCode.SERVER),
        (errors.StreamIncomplete("x"), ExitCode.BROKEN),
        (errors.ParseError("x", "y"), ExitCode.BROKEN),
        (errors.ToolError("x", "y"), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_an_error_has_a_code(error: errors.ArrieroError, code: ExitCode) -> None:
    """What a script may want to tell apart has a number of its own."""
    assert exit_code_of(error) == code


def test_an_error_is_one_line_without_what_a_terminal_obeys(
    peer: Peer, run: Callable[..., tuple[int, str, str]]
) -> None:
    """What a server says of an error cannot write on the terminal."""
    peer.status, peer.lines = 500, [{"error": "broken\n\x1b]0;title\x07"}]
    code, out, err = run("models", "pull", "x", "--quiet", host=peer.url)
    assert (code, out) == (ExitCode.SERVER, "")
    assert err == "arriero: broken ?]0;title? (status code: 500)\n"


def test_an_error_is_json_for_programs(
    server: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    """With --json an error is a line of JSON on stderr, and stdout stays empty."""
    code, out, err = run("models", "show", "none:such", "--json", host=server)
    assert (code, out) == (ExitCode.NOT_FOUND, "")
    assert json.loads(err) == {
        "error": "model 'none:such' not found (status code: 404)",
        "type": "ModelNotFound",
        "exit_code": 4,
        "retryable": False,
        "advice": "'arriero models list' shows what there is, 'models pull' fetches more",
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words",
    [["models", "list"], ["run", "mini", "hi"], ["--help"], ["run", "--help"]],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_said(server: str, words: list[str]) -> None:
    """A disk that is full is no traceback, and no success."""
    host = [] if "--help" in words else ["--host", server]
    command = [sys.executable, "-m", "arriero", *words, *host]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        ExitCode.FAILED,
        "arriero: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_descriptor_is_no_traceback(server: str, closed: str) -> None:
    """Whoever closes it wants nothing of it."""
    command = f"{shlex.quote(sys.executable)} -m arriero models list --json --host {server}"
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")


def test_an_error_is_broken_between_words(run: Callable[..., tuple[int, str, str]]) -> None:
    """In a narrow window; in a pipe it is one line for grep."""
    words = ["models", "list", "--host", "127.0.0.1:9"]
    told = run(*words)[2]
    assert told.count("\n") == 1
    for columns in (30, 44, 80):
        with Terminal(words, {}, columns=columns) as terminal:
            assert terminal.ended() == ExitCode.UNREACHABLE
            assert terminal.text.split() == told.split()
            assert max(map(len, terminal.text.splitlines())) <= columns


def test_wrong_usage_is_broken_between_words() -> None:
    """As are our own errors."""
    with Terminal(["models", "list", "--timeout", "0"], {}, columns=50) as terminal:
        assert terminal.ended() == ExitCode.USAGE
        assert "0.001" in terminal.text.split()


@pytest.mark.parametrize(
    ("line", "columns", "rows"),
    [
        ("  a  bb ccc", 80, ["  a  bb ccc"]),
        ("  one two three", 10, ["  one two", "three"]),
        ("one two three", 40, ["one two three"]),
        (" " + "word " * 11, 45, [" word" + " word" * 8, "     word word"]),
        ("see /a/path/that/is/long", 10, ["see", "/a/path/that/is/long"]),
        ("日本 日本 日本", 11, ["日本 日本", "日本"]),
        ("", 10, [""]),
    ],
)
def test_lines_break_where_words_end(line: str, columns: int, rows: list[str]) -> None:
    """Blanks between words stay, and wide letters count twice."""
    assert wrapped(line, columns).split("\n") == rows


SIGNALS = pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
    ids=["SIGINT", "SIGTERM"],
)


@SIGNALS
def test_a_signal_ends_a_pull_and_its_connection(
    peer: Peer, number: signal.Signals, code: ExitCode
) -> None:
    """No traceback, the code of the signal, and the server sees that nobody waits any more."""
    peer.lines, peer.hangs = [PULLING], True
    command = [sys.executable, "-m", "arriero", "models", "pull", "x", "--host", peer.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in range(2)]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert told[1] == "pulling 0123456789ab: 10 B of 1.0 kB (1%)\n"
    assert (process.returncode, err) == (code, "")
    assert peer.gone.wait(60)


@SIGNALS
@pytest.mark.parametrize("words", [["run", "m", "hi"], ["chat", "m"]], ids=["run", "chat"])
def test_a_signal_ends_an_answer_in_a_pipe(
    words: list[str], number: signal.Signals, code: ExitCode
) -> None:
    """What had arrived was written, the next question is not asked, and there is no traceback."""
    with (
        ScriptedServer() as scripted,
        subprocess.Popen(
            [sys.executable, "-m", "arriero", *words, "--host", scripted.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        scripted.on().reply(["word\n"] * 1000, token_s=0.02)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("one\ntwo\n")
        process.stdin.close()
        assert process.stdout.readline() == "word\n"
        process.send_signal(number)
        process.stdin = None
        out, err = process.communicate(timeout=60)
        asked = [one for one in scripted.requests if one.path == "/api/chat"]
    assert (process.returncode, err, len(asked)) == (code, "", 1)
    assert out.replace("word", "").strip() == ""


def test_a_reader_that_goes_away_is_no_traceback(peer: Peer) -> None:
    """`arriero ... | head -1` ends quietly, as programs written in C do."""
    peer.lines = [{"status": f"{n:0100}"} for n in range(5000)]
    command = [sys.executable, "-m", "arriero", "models", "pull", "x", "--json"]
    with subprocess.Popen(
        [*command, "--host", peer.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline()) == peer.lines[0]
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (ExitCode.BROKEN_PIPE, "")


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["demo"]], ids=" ".join)
def test_a_reader_that_never_came_has_its_code_too(words: list[str]) -> None:
    """Whatever writes: a command, its help, or what takes no options of a session."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "arriero", *words]
    with open(writing, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")


def test_the_page_of_a_gateway_is_shown_without_its_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only of a page: a text with a tag in it is what somebody wrote."""
    page = "<html><body><h1>503 Service Unavailable</h1>\nNo server.\n</body></html>"
    tell(errors.ServerBusy(page, 503))
    tell(errors.ServerBusy("write <b>", 503))
    assert capsys.readouterr().err.splitlines() == [
        "arriero: 503 Service Unavailable No server. (status code: 503)",
        "arriero: write <b> (status code: 503)",
    ]
