"""Rates: what may be sent when, by a clock that is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.policy.estimate import (
    counted_tokens,
    most_answer_tokens,
    prompt_tokens,
    waited_in_server_s,
)
from arriero._core.policy.rate import Bucket, Rates
from arriero.settings import Limits
from arriero.types.chat import GenerateResponse
from arriero.types.embed import EmbedResponse


def test_a_burst_is_free_and_the_next_waits() -> None:
    """Two a second: two at once, then one each half second, in the order they came."""
    bucket = Bucket(2.0, 2.0)
    assert [bucket.take(1.0, 0.0) for _ in range(5)] == [0.0, 0.0, 0.5, 1.0, 1.5]
    assert bucket.take(1.0, 10.0) == 0.0


def test_what_is_given_back_can_be_spent() -> None:
    """A call that is not made costs nothing; more than the burst is never held."""
    bucket = Bucket(1.0, 1.0)
    bucket.take(1.0, 0.0)
    bucket.give_back(1.0)
    bucket.give_back(5.0)
    assert bucket.take(1.0, 0.0) == 0.0
    assert bucket.take(1.0, 0.0) == 1.0


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    """Nothing is gained, and nothing breaks."""
    bucket = Bucket(1.0, 1.0)
    assert bucket.take(1.0, 5.0) == 0.0
    assert bucket.take(1.0, 4.0) == 1.0


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), min_size=1, max_size=60),
    st.floats(0.5, 20),
)
def test_no_window_holds_more_than_rate_and_burst(
    steps: list[tuple[float, int]], per_s: float
) -> None:
    """Whoever waits as told sends, in any stretch of time, at most its rate plus one burst."""
    burst, now_s = max(1.0, per_s), 0.0
    bucket, sent = Bucket(per_s, burst), list[tuple[float, int]]()
    for pause_s, amount in steps:
        now_s += pause_s
        sent.append((now_s + bucket.take(amount, now_s), amount))
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            total = sum(amount for _, amount in sent[first + 1 : last + 1])
            assert total <= burst + per_s * (sent[last][0] - sent[first][0]) + 1e-6


def test_tokens_are_reserved_by_estimate_and_settled_by_fact() -> None:
    """The answer's length is guessed from those before it, until the server has counted."""
    rates = Rates(Limits(tokens_per_s=10.0))
    body = {"model": "m", "prompt": "x" * 39}
    assert rates.estimate(body) == 10 + 256
    assert rates.estimate({**body, "options": {"num_predict": 5}}) == 15
    assert rates.estimate({"model": "m", "input": "x" * 39}) == 10

    assert rates.take(600.0, 0.0) == 0.0  # a minute's worth
    assert rates.take(100.0, 0.0) == 10.0
    rates.settle(100.0, body, GenerateResponse(prompt_eval_count=10, eval_count=56))
    assert rates.take(0.0, 0.0) == pytest.approx(6.6)
    assert rates.estimate(body) == 10 + 216  # a fifth of the way from 256 to 56


def test_a_call_that_was_not_counted_pays_for_its_prompt() -> None:
    """If it was sent; else for nothing."""
    body = {"prompt": "x" * 39}
    for sent, left_s in ((body, 1.0), (None, 0.0)):
        rates = Rates(Limits(tokens_per_s=10.0))
        rates.take(600.0, 0.0)
        rates.take(100.0, 0.0)
        rates.settle(100.0, sent, None)
        assert rates.take(0.0, 0.0) == pytest.approx(left_s)


def test_a_client_without_rates_counts_nothing() -> None:
    """No limit, no wait."""
    rates = Rates(Limits(concurrency=1))
    assert rates.estimate({"prompt": "x"}) == 0.0
    assert rates.take(5.0, 0.0) == 0.0
    rates.give_back(1.0, 1.0)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 1),
        ({"prompt": "abcd", "system": "abcd"}, 3),
        ({"input": ["abcd", "abcd"]}, 3),
        ({"input": [[1, 2], "abcd"]}, 2),
        ({"messages": [{"role": "user", "content": "abcdefgh"}, {"role": "user"}]}, 3),
        ({"messages": None}, 1),
    ],
)
def test_prompts_are_estimated_from_their_text(body: dict[str, object], tokens: int) -> None:
    """Four characters a token, one more for what surrounds them."""
    assert prompt_tokens(body) == tokens


@pytest.mark.parametrize(
    ("options", "most"),
    [(None, None), ({}, None), ({"num_predict": -1}, None), ({"num_predict": 7}, 7)],
)
def test_the_most_an_answer_may_be_is_in_its_options(options: object, most: int | None) -> None:
    """Negative means without limit."""
    assert most_answer_tokens({"options": options}) == most


def test_the_servers_counts_are_read_from_any_answer() -> None:
    """Chats count both, embeddings only the prompt, errors nothing."""
    assert counted_tokens(GenerateResponse(prompt_eval_count=3, eval_count=4)) == 7
    assert counted_tokens(EmbedResponse(embeddings=[], prompt_eval_count=3)) == 3
    assert counted_tokens(None) is None


def test_waiting_in_the_server_is_what_its_work_leaves() -> None:
    """Total less load, prompt and answer; nothing is known of answers without a total."""
    answer = GenerateResponse(
        total_duration=10_000_000_000,
        load_duration=1_000_000_000,
        prompt_eval_duration=2_000_000_000,
        eval_duration=3_000_000_000,
    )
    assert waited_in_server_s(answer) == 4.0
    assert waited_in_server_s(GenerateResponse()) == 0.0
