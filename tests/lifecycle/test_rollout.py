"""A rollout decides which host is next, and when to stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.errors import ArrieroError, RequestError
from arriero.lifecycle.rollout import Rollout


@given(
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.integers(1, 5),
    st.floats(0, 1),
    st.randoms(use_true_random=False),
)
def test_never_more_at_a_time_nor_after_too_many_failed(
    fates: list[bool], parallel: int, max_failed: float, order: object
) -> None:
    """Every host is begun once, ends in one place, or is skipped because of the others."""
    hosts = [f"h{n}" for n in range(len(fates))]
    rollout: Rollout[str] = Rollout(hosts, parallel=parallel, max_failed=max_failed)
    running: list[str] = []
    begun: list[str] = []
    while True:
        while (host := rollout.next()) is not None:
            assert not rollout.is_stopped
            running.append(host)
            begun.append(host)
            assert len(running) <= parallel
        if not running:
            break
        ended = running.pop(order.randrange(len(running)))  # type: ignore[attr-defined]
        if fates[hosts.index(ended)]:
            rollout.succeeded(ended, "well")
        else:
            rollout.failed(ended, ArrieroError("no"))
    assert begun == hosts[: len(begun)]
    assert [*begun, *rollout.skipped] == hosts
    assert rollout.results.keys() | rollout.failures.keys() == set(begun)
    assert bool(rollout.skipped) <= rollout.is_stopped
    # What ran at the time may fail as well, and no more than that.
    assert len(rollout.failures) <= max_failed * len(hosts) + parallel


@pytest.mark.parametrize("wrong", [{"parallel": 0}, {"max_failed": -0.1}, {"max_failed": 1.1}])
def test_numbers_are_checked(wrong: dict[str, float]) -> None:
    """The message names the argument."""
    with pytest.raises(RequestError, match=next(iter(wrong))):
        Rollout(["h"], **wrong)  # type: ignore[arg-type]
