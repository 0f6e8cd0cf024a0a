"""What may be pruned, what differs, and what thrashes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from arriero.lifecycle import Lock, LockedModel, Watch, difference, side_of_lock
from arriero.lifecycle.comparing import Difference, Known, side_of_host
from arriero.lifecycle.facts import Facts
from arriero.lifecycle.retention import prunable
from arriero.lifecycle.survey import Entry, HostState, folded

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def state(**days: int) -> HostState:
    """Give a host with models of so many days; ``kept_m_1`` is written for a kept one."""
    entries: dict[str, Entry] = {}
    for mark, age in days.items():
        space, _, rest = mark.partition("_")
        name = f"arriero-{space}/{rest.replace('_', ':')}" if rest else f"{mark}:latest"
        entries[folded(name)] = Entry(name, f"sha256:{mark}", 1, NOW - timedelta(days=age))
    return HostState("h", entries=entries)


@pytest.mark.parametrize(
    ("keep", "days", "gone"),
    [
        (0, 0, ["kept_m_2", "kept_m_1", "kept_n_1"]),
        (1, 0, ["kept_m_2"]),
        (0, 4, ["kept_m_2"]),
        (2, 0, []),
    ],
)
def test_the_oldest_go_first_and_the_newest_stay(keep: int, days: int, gone: list[str]) -> None:
    """For each model; what serves is never looked at, temporary names nobody needs always go."""
    host = state(m=1, n=1, kept_m_1=2, kept_m_2=5, kept_n_1=1, staged_m_9=0)
    found = prunable(host, now=NOW, keep=keep, older_than=timedelta(days=days))
    assert [one.digest[7:] for one in found] == [*gone, "staged_m_9"]


def test_what_an_open_change_needs_stays() -> None:
    """Else the next run could not undo it."""
    used = ["arriero-kept/m:1", "arriero-staged/m:9", ""]
    host = state(kept_m_1=2, staged_m_9=0)
    assert prunable(host, now=NOW, keep=0, older_than=timedelta(0), in_use=used) == []


def test_sides_differ_by_name_digest_and_facts() -> None:
    """A digest that one side does not know is no difference."""
    first = {
        "same": Known("sha256:" + "a" * 64),
        "moved": Known("sha256:" + "a" * 64),
        "gone": Known(),
        "made": Known("", Facts(parameters={"seed": 1})),
        "unknown": Known(""),
    }
    second = {
        "same": Known("sha256:" + "a" * 64),
        "moved": Known("sha256:" + "b" * 64),
        "new": Known(),
        "made": Known("", Facts(parameters={"seed": 2})),
        "unknown": Known("sha256:" + "c" * 64),
    }
    assert difference(first, second) == [
        Difference("gone", "removed"),
        Difference("made", "changed", ("parameters.seed 1 -> 2",)),
        Difference("moved", "changed", ("digest aaaaaaaaaaaa -> bbbbbbbbbbbb",)),
        Difference("new", "added"),
    ]
    assert difference(first, first) == []


def test_what_only_transactions_need_is_no_difference() -> None:
    """Kept and temporary models are nobody's to want."""
    assert list(side_of_host(state(m=1, kept_m_1=1, staged_m_1=1))) == ["m:latest"]
    lock = Lock({"m:latest": LockedModel("", digest="sha256:x")})
    assert side_of_lock(lock)["m:latest"].digest == "sha256:x"


def test_a_model_that_keeps_falling_out_thrashes() -> None:
    """So many times within the window; an unload now and then is none."""
    watch = Watch(limit=2, window_s=100)
    looks = [(0, "a"), (10, ""), (20, "a"), (30, ""), (40, "a"), (200, "a"), (210, "")]
    found = [watch.look(names.split(), at) for at, names in looks]
    assert found == [(), (), (), ("a",), ("a",), (), ()]
