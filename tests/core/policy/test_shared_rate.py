"""What is asked of a shared rate, and what follows when there is no answer. No Redis here."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.policy.shared_rate import Question, SharedRates, Unreachable
from arriero.settings import Limits, RedisRates

GONE = Unreachable("ConnectionError at redis://r:1")


def rates(on_failure: Any = "open", **limits: float) -> SharedRates:
    """Give the rates of one client."""
    shared = RedisRates("redis://r:1", on_failure=on_failure)
    return SharedRates(Limits(shared=shared, **(limits or {"requests_per_s": 10})), shared, "me")  # type: ignore[arg-type]


def asked(found: Any) -> Question:
    """Give what is asked."""
    assert isinstance(found, Question)
    return found


def fail(shared: SharedRates, now_s: float, tokens: float = 0.0) -> Any:
    """Have both attempts of a question fail, and give what follows."""
    first = asked(shared.begin(tokens, now_s))
    again = asked(shared.failed(first, GONE, now_s))
    return shared.failed(again, GONE, now_s)


def test_the_answer_says_how_long_to_wait() -> None:
    """The longer of the two buckets; one that is behind asks for no wait."""
    shared = rates(requests_per_s=10, tokens_per_s=100)
    question = asked(shared.begin(30.0, 0.0))
    assert question.amounts == (1.0, 30.0)
    assert shared.answered(question, [2, b"-0.5", b"1.25"], 0.0) == 1.25
    question = asked(shared.begin(30.0, 0.0))
    assert shared.answered(question, [2, b"-0.5", b"-1"], 0.0) == 0.0


def test_what_was_not_spent_goes_with_the_next_question() -> None:
    """Once."""
    shared = rates(requests_per_s=10, tokens_per_s=100)
    shared.give_back(1.0, 0.0)
    shared.give_back(0.0, -20.0)
    assert asked(shared.begin(0.0, 0.0)).settled == (-1.0, 20.0)
    assert asked(shared.begin(0.0, 0.0)).settled == (0.0, 0.0)


def test_a_credit_is_not_sent_twice_and_a_debt_may_be() -> None:
    """Nobody knows whether the first one arrived: rather too slow than over the limit."""
    shared = rates(requests_per_s=10, tokens_per_s=100)
    shared.give_back(1.0, -20.0)
    first = asked(shared.begin(0.0, 0.0))
    again = asked(shared.failed(first, GONE, 0.0))
    assert (first.settled, again.settled) == ((-1.0, 20.0), (0.0, 20.0))
    shared.unknown(again)
    assert asked(shared.begin(0.0, 0.0)).settled == (0.0, 20.0)


def test_alone_a_client_keeps_to_its_share() -> None:
    """Three clients were seen: ten requests a second make 3.33 for each."""
    shared = rates()
    shared.answered(asked(shared.begin(0.0, 0.0)), [3, b"0"], 0.0)
    waits = [fail(shared, 0.0), shared.begin(0.0, 0.0), shared.begin(0.0, 0.0)]
    assert waits == [pytest.approx(0.3 * n) for n in (1, 2, 3)]
    assert (shared.errors, shared.trouble) == (1, GONE.reason)


def test_closed_lets_nothing_through() -> None:
    """At once, until it is asked again."""
    shared = rates("closed")
    assert fail(shared, 0.0) is None
    assert shared.begin(0.0, 0.5) is None
    asked(shared.begin(0.0, 1.0))


def test_one_call_finds_out_whether_it_is_back() -> None:
    """The others do not wait for it; afterwards all ask again."""
    shared = rates()
    fail(shared, 0.0)
    question = asked(shared.begin(0.0, 1.0))
    assert isinstance(shared.begin(0.0, 1.0), float)
    assert question.arguments[1] == "1"  # after an outage, its own knowledge counts
    shared.answered(question, [2, b"0.1"], 1.2)
    assert asked(shared.begin(0.0, 1.2)).arguments[1] == "0"
    assert shared.trouble == ""


def test_where_the_bucket_is_is_told_with_each_question() -> None:
    """So that a server without memory learns it: in seconds from now, at least a burst behind."""
    shared = rates()
    assert asked(shared.begin(0.0, 0.0)).arguments[-1] == "-1.0"
    shared.answered(asked(shared.begin(0.0, 0.0)), [1, b"0.75"], 0.0)
    assert asked(shared.begin(0.0, 0.5)).arguments[-1] == "0.25"
    assert asked(shared.begin(0.0, 9.0)).arguments[-1] == "-1.0"


def test_no_password_is_shown() -> None:
    """Neither by the settings nor by what holds them."""
    limits = Limits(requests_per_s=1, shared=RedisRates("redis://:geheim@r:1"))
    assert "geheim" not in repr(limits)
