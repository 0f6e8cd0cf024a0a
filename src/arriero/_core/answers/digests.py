"""Which digest a model's name stands for, as far as is known."""

from __future__ import annotations

from collections.abc import Mapping

from arriero.names import ConflictingSource, InvalidName, parse_name, split_source
from arriero.types.models import ListResponse

PAUSE_S = 5.0
"""How long a server that would not list its models is not asked for them again."""

CHANGES_MODELS = frozenset({"/api/pull", "/api/create", "/api/copy", "/api/delete"})
"""Paths after which a name may stand for another model."""


class Digests:
    """What a server's list said, for a while.

    Attributes:
        known: Another object after every change; equal if nothing was learnt or forgotten.
    """

    __slots__ = ("_doubted", "_ttl_s", "known")

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._doubted: dict[str, float] = {}
        self.known = _Known({}, float("-inf"))

    def of(self, model: str, now_s: float) -> str | None:
        """Give a model's digest.

        Returns:
            "" if there is none to be relied on, such as that of a model that runs elsewhere;
            None if the list has to be asked for.
        """
        known = self.known
        if now_s >= known.until_s:
            return None
        return known.digests.get(_folded(model), "")

    def learn(self, answer: ListResponse, now_s: float) -> None:
        """Take in what the server has."""
        digests = {
            _folded(model.model or model.name or ""): model.digest
            for model in answer.models
            if model.digest and not model.remote_host
        }
        if digests != self.known.digests or now_s >= self.known.until_s:
            self.known = _Known(digests, now_s + self._ttl_s)
        else:
            self.known.until_s = now_s + self._ttl_s

    def answered(self, model: str, now_s: float) -> None:
        """Take in that a model answered which was not listed: the list is old.

        Believed once in a while, as some servers do not list all they have.
        """
        name, known = _folded(model), self.known
        if not known.is_list or not name or name in known.digests:
            return
        if now_s >= self._doubted.get(name, now_s):
            self._doubted[name] = now_s + self._ttl_s
            self.forget()

    def failed(self, now_s: float) -> None:
        """Take in that the list could not be had."""
        self.known = _Known({}, now_s + PAUSE_S, is_list=False)

    def forget(self) -> None:
        """Take in that models change."""
        self.known = _Known({}, float("-inf"))


class _Known:
    __slots__ = ("digests", "is_list", "until_s")

    def __init__(self, digests: Mapping[str, str], until_s: float, *, is_list: bool = True) -> None:
        self.is_list = is_list
        self.digests = digests
        self.until_s = until_s


def _folded(model: str) -> str:
    """Give a name as it is looked up; "" for one that runs elsewhere, or is none."""
    try:
        name, source = split_source(model)
        return "" if source == "cloud" else parse_name(name).folded
    except (InvalidName, ConflictingSource):
        return ""
