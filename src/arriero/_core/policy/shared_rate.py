"""Rates that many clients share: what is asked of the place where they are counted.

A bucket is one number: the time at which all that was taken is within the rate. Taking
moves it on, waiting lets it fall behind, by a burst at most. So one number tells a server,
other clients, and this one the same; and a server that lost its memory is told by the first
client that comes where it was. While it cannot be asked, a client goes on alone, at its share
of the rate: as many clients as were seen lately share it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from arriero._core.policy.rate import TOKEN_BURST_S, Rates
from arriero.settings import Limits, RedisRates

CLIENTS_S = 60.0
"""How long a client counts as one that shares, after its last call."""

RETRY_S = 1.0
"""How long a place that could not be asked is left alone."""

# KEYS: who shares, then each bucket. ARGV: this client, whether it comes from an outage,
# CLIENTS_S, and the seconds' worth of the rate that other clients may still take alone until
# they are back too; then of each bucket: rate, burst in seconds, amount to take, amount to
# settle, and where the bucket is as far as this client knows, in seconds from now.
SCRIPT = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[1], 2000 * ARGV[3])
local answer = {redis.call('ZCARD', KEYS[1])}
for i = 2, #KEYS do
  local per_s, burst_s, amount, settle, known = unpack(ARGV, 5 * i - 5, 5 * i - 1)
  local full = now - burst_s
  local held = redis.call('GET', KEYS[i])
  local at = tonumber(held or full)
  if (not held or ARGV[2] == '1') and now + known > at then
    at = now + math.max(0, known) + ARGV[4]
  end
  at = math.max(full, math.max(full, at) + settle / per_s) + amount / per_s
  local ttl_s = math.max(0, at - now) + 2 * burst_s + 1
  redis.call('SET', KEYS[i], string.format('%.6f', at), 'PX', math.ceil(1000 * ttl_s))
  answer[i] = string.format('%.6f', at - now)
end
return answer
"""


class Unreachable(msgspec.Struct, frozen=True):
    """Why a question got no answer, in a few words without credentials."""

    reason: str


class Question(msgspec.Struct, frozen=True):
    """One run of `SCRIPT`."""

    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    amounts: tuple[float, ...]
    settled: tuple[float, ...]
    is_again: bool = False


class _Meter:
    """A bucket as this client knows it, by its own clock."""

    __slots__ = ("at_s", "burst_s", "key", "per_s")

    def __init__(self, key: str, per_s: float, burst_s: float) -> None:
        self.key, self.per_s, self.burst_s = key, per_s, burst_s
        self.at_s = float("-inf")

    def take(self, amount: float, share: float, now_s: float) -> float:
        """Take an amount at a share of the rate; give the seconds to wait.

        Nothing that was saved is spent: others may have, and this client would not know.
        """
        self.at_s = max(self.at_s, now_s) + amount / (self.per_s * share)
        return max(0.0, self.at_s - now_s)

    def ahead(self, now_s: float) -> float:
        """Give where it is, in seconds from now."""
        return max(self.at_s - now_s, -self.burst_s)


class SharedRates(Rates):
    """The rates of one client that others share.

    Attributes:
        ask: Runs a `Question`: what the script gave, or `Unreachable`; maybe to be awaited.
        errors: How often they could not be asked for.
        trouble: Why they could not be, the last time; "" while they can.
    """

    __slots__ = (
        "_clients",
        "_down_until_s",
        "_id",
        "_is_unsure",
        "_meters",
        "_returned",
        "_shared",
        "_where",
        "ask",
        "errors",
        "trouble",
    )

    def __init__(
        self,
        limits: Limits,
        shared: RedisRates,
        client_id: str,
        ask: Callable[[Question], Any] = lambda _: None,
    ) -> None:
        super().__init__(limits)
        self.ask = ask
        self._shared = shared
        self._id = client_id
        self._meters: list[_Meter] = []
        # Braces keep the keys of one name on one node of a cluster.
        where = f"{{{shared.prefix}:rates:{shared.name}}}"
        if limits.requests_per_s is not None:
            per_s = limits.requests_per_s
            self._meters.append(_Meter(f"{where}:requests", per_s, max(1.0, per_s) / per_s))
        if limits.tokens_per_s is not None:
            self._meters.append(_Meter(f"{where}:tokens", limits.tokens_per_s, TOKEN_BURST_S))
        self._where = f"{where}:clients"
        self._clients = 1
        self._down_until_s = float("-inf")
        self._is_unsure = False
        # Filled from anywhere, the garbage collector included, so never under a lock.
        self._returned: deque[tuple[float, ...]] = deque()
        self.errors = 0
        self.trouble = ""

    def begin(self, tokens: float, now_s: float) -> Question | float | None:
        """Take one request and `tokens`.

        Returns:
            What is to be asked; or the seconds to wait, if this client goes on alone; None if
            it is not to.
        """
        amounts = self._amounts(1.0, tokens)
        if now_s < self._down_until_s:
            return self._alone(amounts, now_s)
        if self._is_unsure:  # one call finds out, the others do not wait for it
            self._down_until_s = now_s + RETRY_S
        return self._question(amounts, self._collected(), now_s)

    def answered(self, question: Question, answer: list[Any], now_s: float) -> float:
        """Take in what the script gave; give the seconds to wait."""
        self._clients = max(1, int(answer[0]))
        self._is_unsure, self.trouble = False, ""
        self._down_until_s = float("-inf")
        wait_s = 0.0
        for meter, ahead in zip(self._meters, answer[1:], strict=True):
            ahead_s = float(ahead)
            meter.at_s = now_s + ahead_s
            wait_s = max(wait_s, ahead_s)
        return wait_s

    def failed(self, question: Question, why: Unreachable, now_s: float) -> Question | float | None:
        """Take in that there was no answer; as `begin`.

        The first time it is asked again at once: a connection that lay idle tells nothing of
        the server. What is credited is not sent twice, what is owed may be: rather too slow
        than over the limit.
        """
        self._is_unsure = True
        owed = tuple(max(0.0, amount) for amount in question.settled)
        if not question.is_again:
            return self._question(question.amounts, owed, now_s, is_again=True)
        self.errors += 1
        self.trouble = why.reason
        self._down_until_s = now_s + RETRY_S
        self._returned.append(owed)
        return self._alone(question.amounts, now_s)

    def unknown(self, question: Question) -> None:
        """Take in that nobody waited for the answer: it counts as taken."""
        self._returned.append(tuple(max(0.0, amount) for amount in question.settled))

    def give_back(self, requests: float, tokens: float) -> None:
        """Take back what was not spent, with the next question; may be called anywhere."""
        self._returned.append(tuple(-amount for amount in self._amounts(requests, tokens)))

    def take(self, tokens: float, now_s: float) -> float:
        """See `begin`: shared rates cannot be taken without asking."""
        raise NotImplementedError

    def _amounts(self, requests: float, tokens: float) -> tuple[float, ...]:
        return tuple(
            requests if meter.key.endswith(":requests") else tokens for meter in self._meters
        )

    def _collected(self) -> tuple[float, ...]:
        total = [0.0] * len(self._meters)
        while self._returned:
            total = [one + more for one, more in zip(total, self._returned.popleft(), strict=True)]
        return tuple(total)

    def _alone(self, amounts: tuple[float, ...], now_s: float) -> float | None:
        if self._shared.on_failure == "closed":
            return None
        share = 1 / self._clients
        owed = self._collected()
        pairs = zip(self._meters, amounts, owed, strict=True)
        return max(meter.take(amount + more, share, now_s) for meter, amount, more in pairs)

    def _question(
        self,
        amounts: tuple[float, ...],
        settled: tuple[float, ...],
        now_s: float,
        *,
        is_again: bool = False,
    ) -> Question:
        # They ask again after RETRY_S and, if they are busy, the length of a call.
        others_s = (1 - 1 / self._clients) * 2 * RETRY_S
        arguments = [self._id, str(int(self._is_unsure)), repr(CLIENTS_S), repr(others_s)]
        for meter, amount, settle in zip(self._meters, amounts, settled, strict=True):
            numbers = (meter.per_s, meter.burst_s, amount, settle, meter.ahead(now_s))
            arguments += [repr(float(number)) for number in numbers]
        keys = (self._where, *(meter.key for meter in self._meters))
        return Question(keys, tuple(arguments), amounts, settled, is_again)
