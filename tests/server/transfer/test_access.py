"""Registries that do not let everybody in."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from arriero.errors import RequestError
from arriero.server import serve

from .conftest import Farm
from .real_registry import PASSWORD, USER, RealRegistry, real_registry
from .token_front import Front, token_front

DENIED = {"error": "unauthorized: access denied"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry that wants a name and a password."""
    with real_registry(tmp_path_factory.mktemp("locked"), auth="htpasswd") as running:
        yield running


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A registry that wants tokens; anybody may have one for pulling."""
    with token_front(tmp_path_factory.mktemp("tokens") / "front") as running:
        yield running


def farm_of(store: Path, registry_auth: Mapping[str, tuple[str, str]] | Path | None = None) -> Farm:
    """A server with the models of the package that knows a password."""
    return Farm(serve(store=store, registry_auth=registry_auth), store)


def moved(farm: Farm, how: str, name: str, **more: str) -> object:
    """Push or pull a model; give the last record."""
    return farm.ask(f"/api/{how}", {"model": name, "insecure": True, **more}).records[-1]


def test_a_name_and_a_password_let_one_in(locked: RealRegistry, tmp_path: Path) -> None:
    """Known to the server by host, or sent along; both ways, and not shown anywhere."""
    name = f"{locked.host}/private/ewe"
    maker = farm_of(tmp_path / "maker", {locked.host: (USER, PASSWORD)})
    with maker.server:
        maker.ask("/api/copy", {"source": "mini", "destination": name})
        assert moved(maker, "push", name) == {"status": "success"}
    other = farm_of(tmp_path / "other")
    with other.server:
        assert moved(other, "pull", name)["error"].endswith(DENIED["error"])  # type: ignore[index]
        wrong = moved(other, "pull", name, username=USER, password="x")
        assert wrong == {"error": f"pull model manifest: {DENIED['error']}"}
        asked = {"username": USER, "password": PASSWORD}
        assert moved(other, "pull", name, **asked) == {"status": "success"}


def test_who_has_no_password_pushes_nothing(locked: RealRegistry, tmp_path: Path) -> None:
    """In the words Ollama's command looks for."""
    name = f"{locked.host}/private/ram"
    farm = farm_of(tmp_path / "farm")
    with farm.server:
        farm.ask("/api/copy", {"source": "mini", "destination": name})
        assert moved(farm, "push", name) == DENIED


def test_dockers_file_will_do(locked: RealRegistry, tmp_path: Path) -> None:
    """As `docker login` leaves it."""
    auths = {locked.host: {"username": USER, "password": PASSWORD}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    name = f"{locked.host}/private/lamb"
    farm = farm_of(tmp_path / "farm", tmp_path / "config.json")
    with farm.server:
        farm.ask("/api/copy", {"source": "mini", "destination": name})
        assert moved(farm, "push", name) == {"status": "success"}


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    """When the server is made, with its name."""
    with pytest.raises(RequestError, match=r"registry_auth: .*nope\.json: No such file"):
        serve(registry_auth=tmp_path / "nope.json")
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(
        RequestError, match=r'registry_auth: .*odd\.json: there is no object "auths"'
    ):
        serve(registry_auth=tmp_path / "odd.json")
    with pytest.raises(RequestError, match="registry_auth: 'https://x' is no host"):
        serve(registry_auth={"https://x": ("a", "b")})


def test_tokens_are_fetched_and_used(
    front: Front, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the password for pushing, with none for pulling; a token is good for many requests."""
    caplog.set_level(logging.DEBUG)
    name, earlier = f"{front.host}/flock/ewe", len(front.asked)
    maker = farm_of(tmp_path / "maker", {front.host: (USER, PASSWORD)})
    with maker.server:
        maker.ask("/api/copy", {"source": "mini", "destination": name})
        assert moved(maker, "push", name) == {"status": "success"}
    before = len(front.asked)
    assert 0 < before - earlier <= 4
    assert all(front.asked[earlier:])
    other = farm_of(tmp_path / "other")
    with other.server:
        assert moved(other, "pull", name) == {"status": "success"}
        assert f"{name}:latest" in other.names()
    assert front.asked[before:] == [False]
    assert PASSWORD not in caplog.text
    assert not any(token in caplog.text for token in front.given)


def test_a_token_for_pulling_does_not_push(front: Front, tmp_path: Path) -> None:
    """Nor does a wrong password."""
    name = f"{front.host}/flock/ram"
    for number, auth in enumerate([None, {front.host: (USER, "wrong")}]):
        farm = farm_of(tmp_path / str(number), auth)
        with farm.server:
            farm.ask("/api/copy", {"source": "mini", "destination": name})
            assert moved(farm, "push", name) == DENIED
