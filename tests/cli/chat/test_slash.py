"""What begins with a slash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arriero import Client, Message, ModelNotFound, RequestError
from arriero.cli.chat.conversation import Conversation
from arriero.cli.chat.slash import SLASHES, Desk, is_command, obey
from arriero.cli.output import Output


@pytest.fixture
def desk(server: str) -> Iterator[Desk]:
    """Give a desk with an empty conversation."""
    with Client(server) as client:
        yield Desk(Output(), client, Conversation("mini"))


def test_options_are_set_shown_and_unset(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """With their types."""
    for line in ("/set temperature 0.5", "/set stop=x", "/set", "/set stop", "/set seed 1"):
        obey(desk, line)
    assert desk.conversation.options == {"temperature": 0.5, "seed": 1}
    assert "temperature=0.5, stop=x\n" in capsys.readouterr().err


def test_a_slip_in_the_name_of_an_option_is_not_set(desk: Desk) -> None:
    """The talk goes on as before."""
    with pytest.raises(RequestError, match="did you mean 'temperature'"):
        obey(desk, "/set temprature 0")
    assert desk.conversation.options == {}


def test_the_system_text_is_set_and_unset(desk: Desk) -> None:
    """A dash gives it back to the model."""
    obey(desk, "/system  Be brief. ")
    assert desk.conversation.system == "Be brief."
    obey(desk, "/system")
    obey(desk, "/system -")
    assert desk.conversation.system is None


@pytest.mark.parametrize(
    ("word", "think"), [("on", True), ("off", False), ("high", "high"), ("-", None)]
)
def test_reasoning_is_set(desk: Desk, word: str, think: object) -> None:
    """On, off, a level, or the model's own way."""
    obey(desk, f"/think {word}")
    obey(desk, "/think")
    assert desk.conversation.think == think


def test_the_model_changes_only_to_one_there_is(desk: Desk) -> None:
    """A slip of the pen does not end the talk."""
    obey(desk, "/model mini-think")
    with pytest.raises(ModelNotFound):
        obey(desk, "/model nope")
    assert desk.conversation.model == "mini-think"


def test_a_question_can_be_asked_again(desk: Desk) -> None:
    """Without its earlier answer."""
    obey(desk, "/again")
    assert not desk.asks_again
    desk.conversation.ask("Hello", [])
    desk.conversation.messages.append(Message(role="assistant", content="Hi"))
    obey(desk, "/again")
    assert desk.asks_again
    assert [one.content for one in desk.conversation.messages] == ["Hello"]


def test_a_conversation_is_saved_cleared_and_loaded(desk: Desk, tmp_path: Path) -> None:
    """From one day to the next."""
    desk.conversation.ask("Hello", [])
    obey(desk, f"/save {tmp_path / 'a b.json'}")
    obey(desk, "/clear")
    assert desk.conversation.messages == []
    obey(desk, f"/load {tmp_path / 'a b.json'}")
    assert [one.content for one in desk.conversation.messages] == ["Hello"]


def test_help_shows_every_command(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does."""
    obey(desk, "/?")
    out = capsys.readouterr().out
    assert [one.words for one in SLASHES if f"{one.words}  " not in out] == []


def test_the_model_is_shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """As `arriero models show` does."""
    obey(desk, "/show")
    assert "context length  2048" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["/bye", "/exit", "/quit"])
def test_the_end_has_several_names(desk: Desk, line: str) -> None:
    """Whatever one is used to."""
    obey(desk, line)
    assert desk.is_over


@pytest.mark.parametrize(
    ("line", "told"),
    [("/sav x", "did you mean /save?"), ("/xyzzy", "/help shows"), ("/save", "the name of a file")],
)
def test_a_wrong_command_is_told(desk: Desk, line: str, told: str) -> None:
    """It is never sent to the model."""
    with pytest.raises(RequestError, match=told):
        obey(desk, line)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("/help", True), ("/xyzzy a", True), ("/home/me/a.png what?", False), ("/a.png", False)],
)
def test_paths_are_no_commands(line: str, wanted: bool) -> None:
    """A picture may stand first in a question."""
    assert is_command(line) is wanted
