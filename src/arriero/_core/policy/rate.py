"""Rates: how many requests and tokens a second may bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arriero._core.policy.estimate import (
    UNKNOWN_ANSWER,
    counted_tokens,
    most_answer_tokens,
    prompt_tokens,
)
from arriero.settings import Limits

TOKEN_BURST_S = 60.0
"""One answer may be thousands of tokens, so that a second's worth would block it."""

_SMOOTHING = 0.2
"""Weight of the newest answer in the length that is expected of the next."""


class Bucket:
    """Holds what may be spent at once and fills with time; may be overdrawn.

    Overdrawing makes the order fair: who comes later waits longer, whatever it asks for.
    """

    __slots__ = ("_at_s", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s: float | None = None

    def take(self, amount: float, now_s: float) -> float:
        """Spend `amount` and give the seconds after which that is within the rate."""
        left, at_s = self._left, self._at_s
        if at_s is not None and now_s > at_s:
            left += (now_s - at_s) * self._per_s
            if left > self._burst:
                left = self._burst
        self._at_s = now_s
        self._left = left = left - amount
        return -left / self._per_s if left < 0 else 0.0

    def give_back(self, amount: float) -> None:
        """Take back what was not spent; a negative amount was spent on top."""
        self._left = min(self._burst, self._left + amount)


class Rates:
    """The two buckets of one client.

    Attributes:
        counts_tokens: True if tokens have a rate.
    """

    __slots__ = ("_answer_tokens", "_requests", "_tokens", "counts_tokens")

    def __init__(self, limits: Limits) -> None:
        per_s, tokens_per_s = limits.requests_per_s, limits.tokens_per_s
        self._requests = Bucket(per_s, max(1.0, per_s)) if per_s is not None else None
        self._tokens = (
            Bucket(tokens_per_s, tokens_per_s * TOKEN_BURST_S) if tokens_per_s is not None else None
        )
        self.counts_tokens = self._tokens is not None
        self._answer_tokens = float(UNKNOWN_ANSWER)

    def estimate(self, body: Mapping[str, Any] | None) -> float:
        """Give the tokens that a call will take, prompt and answer."""
        if body is None or not self.counts_tokens:
            return 0.0
        if "input" in body:
            return prompt_tokens(body)  # an embedding writes nothing
        most = most_answer_tokens(body)
        return prompt_tokens(body) + (self._answer_tokens if most is None else most)

    def settle(self, reserved: float, body: Mapping[str, Any] | None, last: Any) -> None:
        """Replace a call's estimate by what the server counted in its `last` record.

        Where nothing was counted, a prompt that was sent (`body`) is taken for read, and
        nothing for written.
        """
        spent = counted_tokens(last)
        if spent is None:
            spent = 0 if body is None else prompt_tokens(body)
        else:
            answer = getattr(last, "eval_count", None) or 0
            self._answer_tokens += _SMOOTHING * (answer - self._answer_tokens)
        self.give_back(0.0, reserved - spent)

    def take(self, tokens: float, now_s: float) -> float:
        """Spend one request and `tokens`; give the seconds to wait before sending."""
        wait_s = self._requests.take(1.0, now_s) if self._requests is not None else 0.0
        if self._tokens is None:
            return wait_s
        return max(wait_s, self._tokens.take(tokens, now_s))

    def give_back(self, requests: float, tokens: float) -> None:
        """Take back what was not spent; negative tokens were spent on top."""
        if self._requests is not None and requests:
            self._requests.give_back(requests)
        if self._tokens is not None and tokens:
            self._tokens.give_back(tokens)
