"""`arriero chat`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arriero.cli.chat.statistics import statistics_of
from arriero.testing import ScriptedServer
from arriero.types.chat import ChatResponse, Message
from tests.cli.terminal import Terminal

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """Run a server that answers by rule."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def environ(scripted: ScriptedServer, tmp_path: Path) -> dict[str, str]:
    """Give variables with which a program talks to it and keeps its state in a test's folder."""
    return {"OLLAMA_HOST": scripted.url, "XDG_STATE_HOME": str(tmp_path)}


def test_a_pipe_is_a_question_a_line(scripted: ScriptedServer, run: Run) -> None:
    """Only answers are on stdout; earlier turns are sent along."""
    scripted.on(says="one").reply("ONE")
    scripted.on(says="two").reply("TWO")
    code, out, err = run(
        "chat", "m", input="one\n/think off\ntwo\n/bye\nthree\n", host=scripted.url
    )
    assert (code, out, err) == (0, "ONE\nTWO\n", "Reasoning is off.\n")
    last = scripted.requests[-1].json
    assert [one["content"] for one in last["messages"]] == ["one", "ONE", "two"]
    assert last["think"] is False
    assert "tools" not in last


def test_a_pipe_ends_with_its_first_failure(scripted: ScriptedServer, run: Run) -> None:
    """A script must not go on without an answer."""
    scripted.on(says="one").error("broken")
    code, out, err = run("chat", "m", input="one\ntwo\n", host=scripted.url)
    assert (code, out) == (8, "")
    assert err == "arriero: broken (status code: 500)\n"
    assert [one.path for one in scripted.requests] == ["/api/show", "/api/chat"]


def test_programs_get_answers_as_lines_of_json(scripted: ScriptedServer, run: Run) -> None:
    """Whole, one for each question."""
    scripted.on().reply("yes")
    _, out, err = run("chat", "m", "--json", input="a\nb\n", host=scripted.url)
    assert [json.loads(line)["message"]["content"] for line in out.splitlines()] == ["yes", "yes"]
    assert err == ""


def test_a_model_is_pulled_only_if_asked_for(run: Run) -> None:
    """Nobody there to ask means no."""
    with ScriptedServer(["there"]) as scripted:
        code, _, err = run("chat", "absent", input="hi\n", host=scripted.url)
        assert code == 4
        assert "absent" in err
        run("chat", "absent", "--pull", input="hi\n", host=scripted.url)
        paths = [one.path for one in scripted.requests if one.path != "/api/tags"]
    assert paths[:3] == ["/api/show", "/api/show", "/api/pull"]


def test_pictures_are_sent(scripted: ScriptedServer, run: Run, tmp_path: Path) -> None:
    """By their path in the question."""
    (tmp_path / "a.png").write_bytes(b"pixels")
    scripted.on().reply("a cat")
    code, out, err = run("chat", "m", input=f"{tmp_path / 'a.png'} what?\n", host=scripted.url)
    assert (code, out) == (0, "a cat\n"), err
    (message,) = scripted.requests[-1].json["messages"]
    assert message == {"role": "user", "content": "what?", "images": ["cGl4ZWxz"]}


def test_statistics_are_those_of_the_server() -> None:
    """Tokens, rates and times; what it did not say is left out."""
    answer = ChatResponse(
        message=Message(role="assistant", content="x"),
        prompt_eval_count=10,
        prompt_eval_duration=100_000_000,
        eval_count=20,
        eval_duration=1_000_000_000,
        total_duration=1_250_000_000,
    )
    assert statistics_of(answer) == (
        "prompt 10 tokens (100.0/s); answer 20 tokens (20.0/s); in all 1.25 s"
    )
    assert statistics_of(ChatResponse(message=Message())) == "The server gave no numbers."


def test_a_talk_at_a_terminal(scripted: ScriptedServer, environ: dict[str, str]) -> None:
    """Markdown is shown, an error does not end it, arrow keys bring questions back."""
    scripted.on(says="hello").reply("**Hi** there")
    scripted.on(says="bad").error("broken")
    with Terminal(["chat", "m"], environ) as terminal:
        terminal.wait_for(">>>")
        terminal.send("hello\r")
        terminal.wait_for(">>>", 2)
        terminal.send("bad\r")
        terminal.wait_for(">>>", 3)
        terminal.send("\x1b[A\x1b[A\r")
        terminal.wait_for(">>>", 4)
        terminal.send("\x04")
        assert terminal.ended() == 0
        lines = terminal.text.splitlines()
        assert terminal.cursor_is_shown
    assert lines[1:7] == [
        ">>> hello",
        "Hi there",
        ">>> bad",
        "arriero: broken (status code: 500)",
        ">>> hello",
        "Hi there",
    ]
    assert [one["content"] for one in scripted.requests[-1].json["messages"]] == [
        "hello",
        "**Hi** there",
        "hello",
    ]


def test_questions_are_kept_for_the_next_talk(
    scripted: ScriptedServer, environ: dict[str, str], tmp_path: Path
) -> None:
    """In a file of the user's state folder, unless they are not to be."""
    scripted.on().reply("yes")
    for word in ("--no-history", "--history"):
        with Terminal(["chat", "m", word], environ) as terminal:
            terminal.wait_for(">>>")
            terminal.send(f"a question {word}\r")
            terminal.wait_for(">>>", 2)
            terminal.send("/bye\r")
            assert terminal.ended() == 0
    history = (tmp_path / "arriero" / "chat_history").read_text()
    assert "a question --history" in history
    assert "--no-history" not in history


def test_several_lines_are_one_question(scripted: ScriptedServer, environ: dict[str, str]) -> None:
    """Typed with Alt-Enter, between quotes, or pasted."""
    scripted.on().reply("yes")
    with Terminal(["chat", "m"], environ) as terminal:
        terminal.wait_for(">>>")
        terminal.send("a\x1b\rb\r")
        terminal.wait_for(">>>", 2)
        terminal.send('"""\rc\rd"""\r')
        terminal.wait_for(">>>", 3)
        terminal.send("\x1b[200~e\nf\x1b[201~\r")
        terminal.wait_for(">>>", 4)
    asked = [one.json["messages"][-1]["content"] for one in scripted.requests[1:]]
    assert asked == ["a\nb", "c\nd", "e\nf"]


def test_what_is_typed_ahead_is_the_next_question(
    scripted: ScriptedServer, environ: dict[str, str]
) -> None:
    """Unseen while the answer runs, then sent as if it were typed now."""
    scripted.on(says="long").reply("word " * 20, token_s=0.05)
    scripted.on(says="next").reply("done")
    with Terminal(["chat", "m"], environ) as terminal:
        terminal.wait_for(">>>")
        terminal.send("long\r")
        terminal.wait_for("word")
        terminal.send("next\r")
        terminal.wait_for("done")
        assert "next" not in terminal.text.split(">>> next")[0]


def test_ctrl_c_stops_the_answer_and_keeps_the_talk(
    scripted: ScriptedServer, environ: dict[str, str]
) -> None:
    """What had arrived is part of the conversation; the terminal is as it was before."""
    scripted.on(says="long").reply("word " * 400, token_s=0.02)
    scripted.on(says="short").reply("done")
    with Terminal(["chat", "m"], environ) as terminal:
        before = terminal.settings
        terminal.wait_for(">>>")
        terminal.send("long\r")
        terminal.wait_for("word word")
        terminal.send("\x03")
        terminal.wait_for("(stopped)")
        terminal.wait_for(">>>", 2)
        terminal.send("\x03")  # at the prompt it is only a hint
        terminal.wait_for("/bye ends")
        terminal.send("short\r")
        terminal.wait_for("done")
        terminal.send("\x04")
        assert terminal.ended() == 0
        assert terminal.settings == before
        assert "^C" not in terminal.text.split("(stopped)")[0]
    kept = scripted.requests[-1].json["messages"]
    assert [one["role"] for one in kept] == ["user", "assistant", "user"]
    assert 0 < kept[1]["content"].count("word") < 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_leaves_the_terminal_as_it_was(
    scripted: ScriptedServer, environ: dict[str, str], number: signal.Signals
) -> None:
    """In the middle of an answer: echo is on, the cursor shown, no traceback."""
    scripted.on().reply("word " * 400, token_s=0.02)
    with Terminal(["chat", "m"], environ) as terminal:
        before = terminal.settings
        terminal.wait_for(">>>")
        terminal.send("long\r")
        terminal.wait_for("word word")
        terminal.kill(number)
        if number == signal.SIGTERM:
            assert terminal.ended() == 143
        else:
            terminal.wait_for("(stopped)")
            terminal.wait_for(">>>", 2)
            terminal.send("\x04")
            assert terminal.ended() == 0
        assert terminal.settings == before
        assert terminal.cursor_is_shown
        assert "Traceback" not in terminal.text


def test_what_a_model_says_cannot_command_the_terminal(
    scripted: ScriptedServer, environ: dict[str, str]
) -> None:
    """Escape codes in an answer are shown as question marks."""
    scripted.on().reply("a\x1b]0;title\x07b \x1b[2J finished")
    with Terminal(["chat", "m"], environ) as terminal:
        terminal.wait_for(">>>")
        terminal.send("x\r")
        terminal.wait_for("finished")
        assert "a?]0;title?b ?[2J finished" in terminal.text
        assert b"]0;title\x07" not in terminal.raw


def test_a_person_is_asked_whether_to_pull(environ: dict[str, str]) -> None:
    """No is the default, and ends with the error."""
    with (
        ScriptedServer(["there"]) as scripted,
        Terminal(["chat", "absent"], {**environ, "OLLAMA_HOST": scripted.url}) as terminal,
    ):
        terminal.wait_for("Pull it? [y/N]")
        terminal.send("\r")
        assert terminal.ended() == 4
        assert "/api/pull" not in [one.path for one in scripted.requests]
