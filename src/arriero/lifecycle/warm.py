"""The warm pool: models that are loaded before anybody asks, and whether they stay so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from arriero._core.api import models
from arriero._core.registry import checked_name
from arriero.errors import RequestError
from arriero.lifecycle.journal import Journal, Load
from arriero.lifecycle.wanted import Wanted, WantedModel
from arriero.lifecycle.work import Ask, Work, asked, noted
from arriero.types.models import ProcessResponse

FOR_GOOD = -1
"""``keep_alive`` of a model that names none: it was put into the pool to stay."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one model of the pool."""

    host: str
    model: str
    context_length: int | None = None
    """Tokens for each request; None if it is not loaded."""
    size: int = 0
    """Bytes in memory."""
    size_vram: int = 0
    """Bytes of them on a GPU."""
    alarm: str = ""
    """What is wrong; "" if nothing is."""


def pool_of(wanted: Wanted, host: str) -> list[WantedModel]:
    """Give the models that a host keeps warm."""
    return [model for model in wanted.on(host) if model.preload]


def warmed(host: str, pool: Sequence[WantedModel]) -> Work[list[Warmed]]:
    """Load every model of a pool, wait until each is ready, and look whether all stayed."""
    for model in pool:
        options = None if model.num_ctx is None else {"num_ctx": model.num_ctx}
        keep = FOR_GOOD if model.keep_alive is None else model.keep_alive
        yield Ask(partial(models.load, model=model.name, keep_alive=keep, options=options))
    running = yield from asked(models.ps())
    found = judged(host, pool, running)
    for one in running.models:
        if one.digest and one.size and one.context_length:
            load = Load(
                host, f"sha256:{one.digest}", one.context_length, one.size, one.size_vram or 0
            )
            yield from noted(partial(_recorded, load=load))
    return found


def _recorded(journal: Journal, load: Load) -> None:
    journal.record_load(load)


def judged(host: str, pool: Sequence[WantedModel], running: ProcessResponse) -> list[Warmed]:
    """Say of each model of a pool whether it is as it should be."""
    loaded = _by_name(running)
    made: list[Warmed] = []
    for model in pool:
        one = loaded.get(checked_name(model.name, "warm").folded)
        if one is None:
            alarm = (
                "thrashing: it was loaded and is gone again, so the pool does not fit; take a"
                " model out, lower num_ctx, or raise OLLAMA_MAX_LOADED_MODELS of the server"
            )
            made.append(Warmed(host, model.name, alarm=alarm))
            continue
        size, vram = int(one.size or 0), int(one.size_vram or 0)
        alarm = ""
        if model.num_ctx and one.context_length and one.context_length < model.num_ctx:
            alarm = f"its context is {one.context_length} tokens, {model.num_ctx} are wanted"
        elif 0 < vram < size:
            alarm = f"{(size - vram) * 100 // size}% of it is not on the GPU: it will be slow"
        made.append(Warmed(host, model.name, one.context_length, size, vram, alarm))
    return made


def _by_name(running: ProcessResponse) -> Mapping[str, ProcessResponse.Model]:
    found: dict[str, ProcessResponse.Model] = {}
    for one in running.models:
        try:
            found[checked_name(one.model or one.name, "ps").folded] = one
        except RequestError:
            continue
    return found


class Watch:
    """Counts how often models of a pool fall out of memory, over looks at ``ps``.

    A model that is loaded, gone and loaded again within `window_s`, `limit` times, thrashes:
    every time its users wait for it to load.

    Args:
        limit: Falls that are an alarm.
        window_s: Seconds they have to happen in.
    """

    def __init__(self, *, limit: int = 3, window_s: float = 600.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._present: set[str] = set()
        self._falls: dict[str, list[float]] = {}

    def look(self, names: Sequence[str], now_s: float) -> tuple[str, ...]:
        """Take in which models are loaded now; give those that thrash."""
        present = set(names)
        for name in self._present - present:
            self._falls.setdefault(name, []).append(now_s)
        self._present = present
        for name, falls in self._falls.items():
            self._falls[name] = [at for at in falls if now_s - at <= self._window_s]
        return tuple(
            sorted(name for name, falls in self._falls.items() if len(falls) >= self._limit)
        )
