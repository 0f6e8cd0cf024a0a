"""When a token is used, fetched anew, waited for or given up, by a clock that is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.policy.credentials import (
    FORCED_PAUSE_S,
    LONGEST_PAUSE_S,
    Fail,
    Failure,
    Refresh,
    TokenState,
    Use,
    Wait,
    token_from,
)
from arriero.identity import Token

BROKEN = Failure("broken")


def holding(token: Token, *, at_s: float = 0.0) -> TokenState:
    """A state that has just been given `token`."""
    state = TokenState()
    state.began(at_s)
    state.gave(token, at_s)
    return state


def failing(state: TokenState, times: int, now_s: float) -> TokenState:
    """The same state after some fetches that failed."""
    for _ in range(times):
        state.began(now_s)
        state.failed(BROKEN, now_s)
    return state


def test_the_first_fetches_and_the_others_wait() -> None:
    """However many there are, one fetch is under way."""
    state = TokenState()
    assert state.decide(0.0) == Refresh()
    state.began(0.0)
    assert [state.decide(0.1), state.decide(0.2)] == [Wait(), Wait()]
    state.gave(Token("a"), 0.0)
    assert state.decide(1e9) == Use("a")


@pytest.mark.parametrize(
    ("token", "now_s", "decision"),
    [
        (Token("a", 100), 79.9, Use("a")),
        (Token("a", 100), 80.0, Use("a", refresh=True)),  # a fifth of its life before
        (Token("a", 3600), 3539.9, Use("a")),
        (Token("a", 3600), 3540.0, Use("a", refresh=True)),  # but not more than 60 s
        (Token("a", 100, refresh_before_s=5), 94.9, Use("a")),
        (Token("a", 100, refresh_before_s=5), 95.0, Use("a", refresh=True)),
        (Token("a", 100), 99.9, Use("a", refresh=True)),
        (Token("a", 100), 100.0, Refresh()),
        (Token("a", 0), 0.0, Refresh()),
        (Token("a", None), 1e12, Use("a")),
    ],
)
def test_a_token_is_replaced_before_its_end(token: Token, now_s: float, decision: object) -> None:
    """It is used until then, and never after it."""
    assert holding(token).decide(now_s) == decision


def test_one_caller_refreshes_and_the_others_go_on() -> None:
    """The old token serves while the new one is fetched."""
    state = holding(Token("a", 100))
    state.began(85.0)
    assert state.decide(85.0) == Use("a")
    state.gave(Token("b", 100), 85.0)
    assert state.decide(85.0) == Use("b")
    assert state.decide(165.0) == Use("b", refresh=True)


def test_the_life_of_a_token_begins_when_it_was_asked_for() -> None:
    """The server made it somewhen after; we err on the safe side."""
    state = TokenState()
    state.began(10.0)
    state.gave(Token("a", 100), 10.0)
    assert state.decide(109.9) == Use("a", refresh=True)
    assert state.decide(110.0) == Refresh()


def test_a_refused_token_is_replaced_once() -> None:
    """After a 401 one fetches; who was refused with the old one takes the new one."""
    state = holding(Token("a", 1000))
    assert state.decide(1.0, refused="a") == Refresh()
    state.began(1.0, "a")
    assert state.decide(1.0, refused="a") == Wait()
    assert state.decide(1.0) == Use("a")  # perhaps only one server refuses it
    state.gave(Token("b", 1000), 1.0)
    assert state.decide(1.1, refused="a") == Use("b")


def test_a_server_that_refuses_everything_is_not_fetched_for_at_each_call() -> None:
    """Within a second of a forced fetch the same token is given back: the 401 stands."""
    state = holding(Token("a"))
    state.began(1.0, "a")
    state.gave(Token("b"), 1.0)
    assert state.decide(1.0, refused="b") == Use("b")
    assert state.decide(1.0 + FORCED_PAUSE_S, refused="b") == Refresh()


def test_a_failed_refresh_leaves_the_old_token_in_use() -> None:
    """And is not tried again at each call."""
    state = failing(holding(Token("a", 100)), 1, 85.0)
    assert state.decide(85.0) == Use("a")
    assert state.decide(86.0) == Use("a", refresh=True)
    assert state.failure == BROKEN
    state.began(86.0)
    state.gave(Token("b", 100), 86.0)
    assert state.failure is None


def test_failures_in_a_row_are_spaced_out() -> None:
    """The first may be chance; then 0.5 s, doubling to half a minute."""
    state = failing(TokenState(), 1, 0.0)
    assert state.decide(0.0) == Refresh()
    failing(state, 1, 0.0)
    assert state.decide(0.49) == Fail(BROKEN)
    assert state.decide(0.5) == Refresh()
    failing(state, 20, 1.0)
    assert state.decide(0.9 + LONGEST_PAUSE_S) == Fail(BROKEN)
    assert state.decide(1.0 + LONGEST_PAUSE_S) == Refresh()


def test_a_fetch_given_up_is_taken_over() -> None:
    """Its caller was cancelled; the next one begins anew."""
    state = TokenState()
    state.began(0.0)
    state.abandoned()
    assert state.decide(0.0) == Refresh()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "NoneType, not a token"),
        (b"token", "bytes, not a token"),
        (5, "int, not a token"),
        ("", "an empty token"),
    ],
)
def test_what_is_no_token_is_a_failure(given: object, says: str) -> None:
    """Nothing like ``Bearer None`` is sent; trying again would change nothing."""
    failure = token_from(given)
    assert isinstance(failure, Failure)
    assert says in failure.reason
    assert not failure.may_pass


STEPS = st.lists(
    st.tuples(
        st.floats(0, 50),
        st.sampled_from(["decide", "refused", "gave", "failed", "abandoned"]),
        st.one_of(st.none(), st.floats(0, 200)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_one_fetches_and_nothing_expired_is_used(steps: list[object]) -> None:
    """For every order of calls, refusals, answers, failures and waits."""
    state, now_s, made = TokenState(), 0.0, 0
    in_flight: float | None = None
    ends: dict[str, float] = {}
    for wait_s, step, life_s in steps:  # type: ignore[misc]  # drawn as such
        now_s += wait_s
        if step in ("decide", "refused"):
            refused = f"t{made}" if step == "refused" and made else None
            decision = state.decide(now_s, refused)
            begins = isinstance(decision, Refresh) or (
                isinstance(decision, Use) and decision.refresh
            )
            assert not (begins and in_flight is not None)
            assert not (isinstance(decision, Wait) and in_flight is None)
            if isinstance(decision, Use) and decision.token != refused:
                assert now_s < ends[decision.token]
            if begins:
                state.began(now_s, refused)
                in_flight = now_s
        elif in_flight is not None:
            if step == "gave":
                made += 1
                ends[f"t{made}"] = in_flight + (float("inf") if life_s is None else life_s)
                state.gave(Token(f"t{made}", life_s), in_flight)
            elif step == "failed":
                state.failed(BROKEN, now_s)
            else:
                state.abandoned()
            in_flight = None
        assert state.is_refreshing == (in_flight is not None)
