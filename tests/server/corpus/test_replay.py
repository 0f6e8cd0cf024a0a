"""Every recorded request, answered as recorded, but for the differences that are accepted."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.wire.cases import ALL as CASES

from .accepted import ACCEPTED, NOT_ASKED, UNSTABLE
from .comparing import Told, differences
from .stage import Stage, recorded

# The whole corpus is asked for the first case: on a busy machine that takes a while.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _by_case(lists: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {name: reason for reason, names in lists.items() for name in names}


SKIPPED = _by_case(NOT_ASKED)
REASONS = _by_case(ACCEPTED)
ASKED = [name for name in CASES if name not in SKIPPED]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What our server answered to each case, asked in the order of recording."""
    return Stage(tmp_path_factory.mktemp("corpus")).play(SKIPPED)


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_is_the_recorded_one(answers: dict[str, Told], name: str) -> None:
    """Status, headers, records, keys, texts and errors, or exactly the accepted differences."""
    found = differences(answers[name], recorded(CASES[name]))
    accepted = ACCEPTED[REASONS[name]][name] if name in REASONS else ()
    expected = {*accepted, *UNSTABLE.get(name, ())}
    surprising = {place: pair for place, pair in found.items() if place not in expected}
    stale = set(accepted) - found.keys()
    assert not surprising, _report(surprising)
    assert not stale, f"no longer differs: {sorted(stale)} ({REASONS[name]})"


def _report(found: Mapping[str, tuple[Any, Any]]) -> str:
    """One line per difference: place, ours, theirs."""
    return "\n".join(
        f"{place}: ours {mine!r:.500}, theirs {other!r:.500}"
        for place, (mine, other) in found.items()
    )


def test_the_lists_name_cases_there_are() -> None:
    """Each case is in one list at most; what is in a list has been recorded."""
    listed = [name for group in (NOT_ASKED, ACCEPTED) for names in group.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) <= CASES.keys()


def _vectors(told: Told) -> list[list[float]]:
    [value] = told.values
    if "data" not in value:
        found: list[list[float]] = value.get("embeddings") or [value["embedding"]]
        return found
    vectors = [row["embedding"] for row in value["data"]]
    return [
        list(array("f", base64.b64decode(vector))) if isinstance(vector, str) else vector
        for vector in vectors
    ]


@pytest.mark.parametrize(
    "name",
    [
        "embed/string", "embed/list", "embed/dimensions", "embed/truncate-long",
        "embeddings/prompt", "openai/embeddings", "openai/embeddings-list",
        "openai/embeddings-base64",
    ],
)  # fmt: skip
def test_vectors_lie_where_the_recorded_ones_do(answers: dict[str, Told], name: str) -> None:
    """As numbers and as bytes."""
    both = _vectors(answers[name]), _vectors(recorded(CASES[name]))
    for ours, theirs in zip(*both, strict=True):
        likeness = sum(a * b for a, b in zip(ours, theirs, strict=True))
        lengths = [sum(a * a for a in vector) ** 0.5 for vector in (ours, theirs)]
        assert likeness == pytest.approx(lengths[0] * lengths[1], rel=1e-3)
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-2)
