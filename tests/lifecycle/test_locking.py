"""The lock: what it pins, when it is stale, what it is written as."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from arriero.errors import NotFound, RequestError, ServerBusy
from arriero.lifecycle import Journal, Lock, read_lock
from arriero.lifecycle.lockfile import require_fresh
from tests.lifecycle.fleet import Herd
from tests.lifecycle.ollama import Ollama, built, full

OLD = built("old weights", license="SPDX-License-Identifier: MIT")
NEW = built("new", license="SPDX-License-Identifier: Apache-2.0", params='{"temperature": 0.5}')


def herd(journal: Journal, text: str = "[models.m]", **names: Any) -> Herd:
    """Give a host and a registry that has `m`."""
    server = Ollama(
        registry={full("m"): NEW}, names={full(name): one for name, one in names.items()}
    )
    return Herd(server, text, journal)


def test_what_the_host_has_is_pinned_and_no_registry_asked(journal: Journal) -> None:
    """What runs today is what is locked; nothing leaves the network for it."""
    one = herd(journal, m=OLD)
    locked = one.relock(newest=False).models["m:latest"]
    assert (locked.digest, locked.licences) == (OLD.digest, ("MIT",))
    assert locked.blobs == (("model", OLD.digests[0]),)
    assert locked.server == "0.33.0"
    assert not any(path.startswith("/v2/") for path, _ in one.server.asked)


def test_what_the_host_lacks_is_read_from_the_registry(journal: Journal) -> None:
    """Layers, sizes, licence and parameters are known before a byte of weights is pulled."""
    one = herd(journal)
    locked = one.relock(newest=False).models["m:latest"]
    assert (locked.digest, locked.licences) == (NEW.digest, ("Apache-2.0",))
    assert [layer.digest for layer in locked.layers] == NEW.digests
    assert locked.size == sum(layer["size"] for layer in NEW.layers)
    assert locked.facts.parameters == {"temperature": 0.5}
    assert not any(path == "/api/pull" for path, _ in one.server.asked)


def test_the_newest_is_that_of_the_registry(journal: Journal) -> None:
    """Whatever the host has."""
    assert herd(journal, m=OLD).relock().models["m:latest"].digest == NEW.digest


def test_what_nobody_has_cannot_be_locked(journal: Journal) -> None:
    """Nor can a version that is gone."""
    with pytest.raises(NotFound) as caught:
        herd(journal, "[models.x]").relock()
    assert "x:latest cannot be locked" in caught.value.__notes__[-1]
    text = f"[models.m]\ndigest = '{OLD.digest}'"
    with pytest.raises(RequestError, match=rf"locked at {OLD.digest}: .* now has {NEW.digest}"):
        herd(journal, text).relock()


def test_a_registry_that_fails_is_named_by_its_own_error(journal: Journal) -> None:
    """So that whoever runs it knows whether to try again."""
    one = herd(journal, "[models.x]")
    one.server._registry = lambda path: (503, [])  # type: ignore[method-assign]
    with pytest.raises(ServerBusy) as caught:
        one.relock()
    assert "the registry says this" in caught.value.__notes__[-1]


def test_a_licence_that_cannot_be_read_is_unknown(journal: Journal) -> None:
    """Unknown is not allowed, where there is a list."""
    one = herd(journal, "[models.m]\nlicences = ['MIT']")
    answer = one.server._registry
    one.server._registry = lambda path: (401, []) if "/blobs/" in path else answer(path)  # type: ignore[method-assign]
    assert one.relock().models["m:latest"].licences == ()
    assert one.plan().refused[0].reasons[0].startswith("its licence is unknown")


def test_a_change_of_the_file_makes_the_lock_stale(journal: Journal) -> None:
    """Each reason is said; --frozen and plan refuse it."""
    one = herd(journal, "[models.a]\nfrom = 'm'\n[models.b]\nfrom = 'm'\n", m=OLD)
    lock = one.relock(newest=False)
    assert lock.stale(one.wanted) == ()
    other = herd(journal, "[models.a]\nfrom = 'm'\nsystem = 'x'\n[models.c]\nfrom = 'm'\n")
    assert lock.stale(other.wanted) == (
        "a:latest or its base was changed since it was locked",
        "c:latest is not locked",
        "b:latest is locked, but not wanted",
    )
    with pytest.raises(RequestError, match="Run 'arriero models lock'"):
        require_fresh(lock, other.wanted)


def test_a_base_that_is_locked_anew_makes_what_is_made_of_it_stale(journal: Journal) -> None:
    """A made model is pinned to its base."""
    one = herd(journal, "[models.m]\n[models.mine]\nfrom = 'm'\nsystem = 'x'\n", m=OLD)
    old, new = one.relock(newest=False), one.relock()
    mixed = Lock({**new.models, "mine:latest": old.models["mine:latest"]})
    assert mixed.stale(one.wanted) == ("mine:latest or its base was changed since it was locked",)


def test_a_file_of_a_recipe_is_pinned(journal: Journal, tmp_path: Path) -> None:
    """One that cannot be read is named."""
    one = herd(journal, "[models.m]\nfiles = ['no.gguf']\n")
    with pytest.raises(RequestError, match=r"no\.gguf cannot be read: No such file"):
        one.relock()


def test_a_lock_is_read_as_it_was_written(journal: Journal, tmp_path: Path) -> None:
    """Equal locks are equal files, fit for a diff, and readable by all who may read the folder."""
    path = tmp_path / "models.lock"
    lock = herd(journal, "[models.m]\n[models.mine]\nfrom = 'm'\nsystem = 'x'\n").relock()
    lock.write(path)
    assert read_lock(path) == lock
    assert path.read_bytes() == lock.encode() == read_lock(path).encode()
    assert path.read_text().count("\n") > 20
    assert stat.S_IMODE(path.stat().st_mode) & 0o400
    assert [one.name for one in tmp_path.iterdir() if "models.lock" in one.name] == ["models.lock"]


def test_a_lock_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Everything is then not locked yet."""
    assert read_lock(tmp_path / "models.lock") == Lock()


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "is no lock"), ('{"version": 9}', "has version 9"), ("[]", "is no lock")],
)
def test_a_lock_that_cannot_be_read_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """It is never taken for an empty one."""
    path = tmp_path / "models.lock"
    path.write_text(text)
    with pytest.raises(RequestError, match=f"{told}.* delete it and run 'arriero models lock'"):
        read_lock(path)


def test_a_lock_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """And nothing half-written."""
    with pytest.raises(RequestError, match="cannot be written"):
        Lock().write(tmp_path / "no" / "models.lock")
    assert list(tmp_path.glob("*lock*")) == []
