"""Retries: what is tried again, when, and how often a whole client may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.policy.retry import WINDOW_S, Again, RetryBudget, Stop, decide, wait_before
from arriero.errors import ArrieroError, ConnectFailed, RateLimited, ServerBusy
from arriero.settings import Retry


def decided(retry: Retry, error: ArrieroError | None = None, **given: Any) -> Again | Stop:
    """Decide with values that allow it, but for what is `given`."""
    values: dict[str, Any] = {
        "is_safe": True,
        "wanted": None,
        "tries": 1,
        "budget": RetryBudget(),
        "random": 1.0,
        "now_s": 100.0,
        "until_s": None,
        **given,
    }
    return decide(retry, error or ConnectFailed("no"), **values)


@pytest.mark.parametrize(
    ("retry", "given", "reason"),
    [
        (Retry(), {"is_safe": False}, "not safe or no use to repeat"),
        (Retry(attempts=3), {"tries": 3}, "attempts used up"),
        (Retry.none(), {}, "retries are off"),
        (Retry(), {"until_s": 100.2}, "total_s would run out while waiting"),
        (Retry(), {"wanted": False}, "refused by the rule"),
        (Retry(budget_ratio=0, budget_reserve=0), {}, "retry budget spent"),
    ],
)
def test_each_rule_stops_and_says_so(retry: Retry, given: dict[str, Any], reason: str) -> None:
    """Who watches the decisions learns which rule it was."""
    assert decided(retry, **given) == Stop(reason)


def test_a_rule_of_the_users_is_asked_first() -> None:
    """True tries again what would not be, None leaves it to the other rules."""
    assert decided(Retry(), is_safe=False, wanted=True) == Again(0.2)
    assert decided(Retry(), is_safe=False, wanted=None) == Stop("not safe or no use to repeat")


@pytest.mark.parametrize(
    ("tries", "wait_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 10.0), (999, 10.0)]
)
def test_the_longest_wait_doubles_up_to_its_limit(tries: int, wait_s: float) -> None:
    """With the largest random number it is ``first_wait_s * 2 ** (n - 1)``, at most 10 s."""
    assert wait_before(Retry(), ConnectFailed("no"), tries=tries, random=1.0) == wait_s
    assert wait_before(Retry(), ConnectFailed("no"), tries=tries, random=0.0) == 0.0


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(None, 0.2), (0.1, 0.2), (7.0, 7.0), (3600.0, 60.0)]
)
def test_retry_after_is_obeyed_up_to_a_limit(asked_s: float | None, wait_s: float) -> None:
    """It lengthens a wait and never shortens one."""
    for error in (ServerBusy("busy", 503), RateLimited("slow down", 429)):
        error.retry_after_s = asked_s
        assert wait_before(Retry(), error, tries=1, random=1.0) == wait_s


def test_a_wait_that_ends_in_time_is_begun() -> None:
    """The deadline must be later than its end."""
    assert decided(Retry(), until_s=100.21) == Again(0.2)


def test_a_quiet_client_has_a_reserve() -> None:
    """Ten retries in ten seconds need no calls to pay for them; an eleventh does."""
    budget = RetryBudget()
    for _ in range(10):
        assert budget.take(Retry(), 0.0)
    assert not budget.take(Retry(), 0.0)
    assert budget.take(Retry(), WINDOW_S + 1.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300))
def test_retries_never_exceed_their_share(steps: list[tuple[float, bool]]) -> None:
    """In no window of ten seconds are there more than a fifth of the calls, or ten."""
    budget, retry, now_s = RetryBudget(), Retry(), 0.0
    calls: list[float] = []
    retries: list[float] = []
    for pause_s, is_call in steps:
        now_s += pause_s
        if is_call:
            budget.saw_call(now_s)
            calls.append(now_s)
        elif budget.take(retry, now_s):
            retries.append(now_s)
            recent = sum(at_s >= now_s - WINDOW_S for at_s in calls)
            spent = sum(at_s > now_s - WINDOW_S + WINDOW_S / 10 for at_s in retries)
            assert spent <= max(10, 0.2 * recent)
