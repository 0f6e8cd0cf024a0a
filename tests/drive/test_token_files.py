"""A token in a file that somebody else rotates."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest

from arriero import TokenFile
from arriero.errors import CredentialError
from arriero.identity import SecurityWarning

from .scripted import Colour, reply
from .test_credentials import DENIED, VERSION, tokens_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a token, for its owner alone."""
    made = tmp_path / "token"
    made.write_text(" one\n")
    made.chmod(0o600)
    return made


def rotate(path: Path, text: str) -> None:
    """Put a new file in the place of the old one."""
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


def sent_with(colour: Colour, client: Any) -> str | None:
    """Make a call and give the credential it went with."""
    colour.script.answers.append(VERSION)
    colour.do(client.version())
    return tokens_of(colour)[-1]


def test_a_file_is_read_again_when_it_changes(colour: Colour, path: Path) -> None:
    """Replaced, rewritten in place with the same length, or reached by another link."""
    client = colour.client(auth=TokenFile(path))
    assert sent_with(colour, client) == "Bearer one"
    rotate(path, "two")
    assert sent_with(colour, client) == "Bearer two"
    path.write_text("six")
    assert sent_with(colour, client) == "Bearer six"


def test_a_mount_of_kubernetes_is_followed(colour: Colour, tmp_path: Path) -> None:
    """Its file is a link into a folder that is a link, which is switched."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    data, token = tmp_path / "..data", tmp_path / "token"
    data.symlink_to("first")
    token.symlink_to("..data/token")
    client = colour.client(auth=TokenFile(token))
    assert sent_with(colour, client) == "Bearer first"
    switched = tmp_path / "..new"
    switched.symlink_to("second")
    switched.replace(data)
    assert sent_with(colour, client) == "Bearer second"


def test_a_file_that_has_not_changed_is_not_read(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its times are old enough to be relied on."""
    os.utime(path, (1, 1))
    monkeypatch.setattr("arriero._transport.watched._SETTLED_S", -1.0)
    client = colour.client(auth=TokenFile(path))
    assert sent_with(colour, client) == "Bearer one"
    monkeypatch.setattr("builtins.open", None)
    assert sent_with(colour, client) == "Bearer one"


def test_after_a_401_the_file_is_looked_at_again(colour: Colour, path: Path) -> None:
    """It may have changed meanwhile; if not, the 401 stands."""
    client = colour.client(DENIED, VERSION, auth=TokenFile(path))
    begin = colour.script.begin

    def begin_and_rotate(request: Any) -> Any:
        rotate(path, f"now-{len(colour.script.sent)}")
        return begin(request)

    colour.script.begin = begin_and_rotate  # type: ignore[method-assign]
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer one", "Bearer now-0"]


@pytest.mark.parametrize("text", [None, "", " \n", "ü", "a\nb\n", "x" * 70_000], ids=range(6))
def test_without_a_good_file_the_last_token_is_used(
    colour: Colour, path: Path, text: str | None
) -> None:
    """Missing, empty, half-written: with one warning for all the calls until it is mended."""
    client = colour.client(auth=TokenFile(path))
    assert sent_with(colour, client) == "Bearer one"
    if text is None:
        path.unlink()
    else:
        rotate(path, text)
    with pytest.warns(SecurityWarning, match="the token read before is used"):
        assert sent_with(colour, client) == "Bearer one"
    assert sent_with(colour, client) == "Bearer one"  # another warning would be an error
    rotate(path, "two")
    assert sent_with(colour, client) == "Bearer two"


def test_a_file_that_was_never_good_is_an_error(colour: Colour, path: Path) -> None:
    """With its path and what is wrong; the next call looks again."""
    path.unlink()
    client = colour.client(auth=TokenFile(path))
    with pytest.raises(CredentialError) as caught:
        colour.do(client.version())
    assert caught.value.provider == f"file {str(path)!r}"
    assert caught.value.reason == "No such file or directory"
    rotate(path, "late")
    assert sent_with(colour, client) == "Bearer late"


@pytest.mark.parametrize(
    ("mode", "says"), [(0o604, "read .* chmod o-r it"), (0o602, "write .* chmod o-rw it")]
)
def test_a_file_open_to_everyone_is_told(colour: Colour, path: Path, mode: int, says: str) -> None:
    """When it is first read."""
    path.chmod(mode)
    client = colour.client(auth=TokenFile(path))
    with pytest.warns(SecurityWarning, match=says):
        sent_with(colour, client)
    path.write_text("two")
    assert sent_with(colour, client) == "Bearer two"


def test_a_mounted_file_is_meant_for_the_container(colour: Colour, path: Path) -> None:
    """Orchestrators mount links, readable by all: that is their way, and no mistake."""
    path.chmod(0o644)
    link = path.with_name("link")
    link.symlink_to(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sent_with(colour, colour.client(auth=TokenFile(link))) == "Bearer one"


def test_a_file_of_a_reply_is_not_ours_to_read(colour: Colour, path: Path) -> None:
    """What a token looks like is the server's business, as long as it fits into a header."""
    rotate(path, "a b\x00c")
    client = colour.client(reply(b"{}"), auth=TokenFile(path))
    with pytest.raises(CredentialError, match="something else than a token") as caught:
        colour.do(client.version())
    assert "a b" not in str(caught.value)
