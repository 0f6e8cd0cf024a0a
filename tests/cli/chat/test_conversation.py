"""A conversation and its file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from arriero import Message, RequestError
from arriero.cli.chat.conversation import Conversation


def talk() -> Conversation:
    """Give a conversation with a question and an answer."""
    made = Conversation("mini", system="Be brief.", options={"temperature": 0}, think="low")
    made.ask("Hello", [Path("a.png")])
    made.messages.append(Message(role="assistant", content="Hi", thinking="hm"))
    return made


def test_the_system_text_comes_first() -> None:
    """It is sent with every question, and kept apart from the messages."""
    assert [one.role for one in talk().sent] == ["system", "user", "assistant"]
    assert [one.role for one in Conversation("m").sent] == []


def test_the_last_question_can_be_taken_back() -> None:
    """With what came after it."""
    made = talk()
    made.ask("Again", [])
    made.take_back()
    assert [one.content for one in made.messages] == ["Hello", "Hi"]
    made.take_back()
    assert made.messages == []
    made.take_back()
    assert made.last_question() is None


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    """All of it; only its owner can read the file, and nothing lies beside it."""
    path = tmp_path / "talk.json"
    talk().save(path)
    other = Conversation("other")
    other.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [path]
    assert (other.model, other.system, other.options, other.think) == (
        *("mini", "Be brief."),
        *({"temperature": 0}, "low"),
    )
    assert [one.model_dump() for one in other.messages][1] == talk().messages[1].model_dump()
    assert other.messages[0].images == ["a.png"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no saved conversation"),
        ("[]", "no saved conversation"),
        ('{"arriero_chat": 2}', "no saved conversation"),
        ('{"arriero_chat": 1}', "its messages cannot be read"),
        ('{"arriero_chat": 1, "messages": [1]}', "its messages cannot be read"),
    ],
)
def test_a_wrong_file_changes_nothing(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file."""
    path = tmp_path / "talk.json"
    path.write_text(text)
    made = talk()
    with pytest.raises(RequestError, match=told):
        made.load(path)
    assert made == talk()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And what was there stays."""
    with pytest.raises(RequestError, match="cannot be written: No such file"):
        talk().save(tmp_path / "no" / "talk.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        talk().save(tmp_path / "folder")
    assert json.dumps([one.name for one in tmp_path.iterdir()]) == '["folder"]'
