"""The warm pool: models that are loaded before anybody asks, and whether they stay so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from arriero._core.api import models
from arriero._core.registry import checked_name
from arriero.errors import RequestError, ResponseError
from arriero.lifecycle.journal import Journal, Load
from arriero.lifecycle.wanted import Wanted, WantedModel
from arriero.lifecycle.work import Ask, Work, asked, noted
from arriero.types.models import ProcessResponse

FOR_GOOD = -1
"""``keep_alive`` of a model that names none: it was put into the pool to stay."""

THRASHING = (
    "thrashing: it was loaded and is gone again, so the pool does not fit; take a model out,"
    " lower num_ctx, or raise OLLAMA_MAX_LOADED_MODELS of the server"
)

_A_YEAR = timedelta(days=365)
"""Servers write "for good" as a time centuries away."""


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
    again: bool = False
    """True if it had fallen out of memory and was loaded once more."""


def pool_of(wanted: Wanted, host: str) -> list[WantedModel]:
    """Give the models that a host keeps warm."""
    return [model for model in wanted.on(host) if model.preload]


def warmed(host: str, pool: Sequence[WantedModel]) -> Work[list[Warmed]]:
    """Load every model of a pool, wait until each is ready, and look whether all stayed."""
    for model in pool:
        yield from _loaded(model)
    running = yield from asked(models.ps())
    yield from _recorded(host, running)
    return judged(host, pool, running)


def _loaded(model: WantedModel) -> Work[None]:
    options = None if model.num_ctx is None else {"num_ctx": model.num_ctx}
    keep = FOR_GOOD if model.keep_alive is None else model.keep_alive
    yield Ask(partial(models.load, model=model.name, keep_alive=keep, options=options))


def _recorded(host: str, running: ProcessResponse) -> Work[None]:
    """Write down what each model takes in memory, for later preflights."""
    for one in running.models:
        if one.digest and one.size and one.context_length:
            load = Load(
                host, f"sha256:{one.digest}", one.context_length, one.size, one.size_vram or 0
            )
            yield from noted(partial(_written, load=load))


def _written(journal: Journal, load: Load) -> None:
    journal.record_load(load)


def kept_warm(
    host: str, pool: Sequence[WantedModel], watch: Watch, *, now_s: float
) -> Work[list[Warmed]]:
    """Look at a pool once, and load again what fell out of it or is no longer pinned.

    A model that thrashes is left alone: loading it would only push another one out. So is one
    with a keep-alive that ends, which is gone because its time has passed.
    """
    pool = [model for model in pool if is_pinned(model)]
    running = yield from asked(models.ps())
    found = _by_name(running)
    present = [model.name for model in pool if _folded(model) in found]
    thrashing = watch.look(present, now_s, host=host)
    fallen: set[str] = set()
    wrong: dict[str, str] = {}
    for model in pool:
        one = found.get(_folded(model))
        if model.name in thrashing or (one is not None and _stays(one, model)):
            continue
        try:
            yield from _loaded(model)
        except ResponseError as error:
            wrong[model.name] = f"it cannot be loaded: {error}"
            continue
        if one is None:
            fallen.add(model.name)
            watch.loaded(model.name, host=host)
    if fallen:
        running = yield from asked(models.ps())
        yield from _recorded(host, running)
    wrong |= dict.fromkeys(thrashing, f"{THRASHING}; it is not loaded again for now")
    return [
        replace(one, alarm=wrong.get(one.model, one.alarm), again=one.model in fallen)
        for one in judged(host, pool, running)
    ]


def is_pinned(model: WantedModel) -> bool:
    """Tell whether a model is to stay loaded for good."""
    keep = model.keep_alive
    return keep is None or (keep.startswith("-") if isinstance(keep, str) else keep < 0)


def _stays(one: ProcessResponse.Model, model: WantedModel) -> bool:
    """Tell whether a loaded model is pinned as it was. A request with a keep-alive unpins it.

    One with another context than is wanted counts as pinned: to load it anew would take it away
    from whoever it was loaded for; `judged` has an alarm for it.
    """
    if model.num_ctx and one.context_length and one.context_length != model.num_ctx:
        return True
    return one.expires_at is None or one.expires_at - datetime.now(UTC) > _A_YEAR


def judged(host: str, pool: Sequence[WantedModel], running: ProcessResponse) -> list[Warmed]:
    """Say of each model of a pool whether it is as it should be."""
    loaded = _by_name(running)
    made: list[Warmed] = []
    for model in pool:
        one = loaded.get(_folded(model))
        if one is None:
            made.append(Warmed(host, model.name, alarm=THRASHING))
            continue
        size, vram = int(one.size or 0), int(one.size_vram or 0)
        alarm = ""
        if model.num_ctx and one.context_length and one.context_length < model.num_ctx:
            alarm = f"its context is {one.context_length} tokens, {model.num_ctx} are wanted"
        elif 0 < vram < size:
            alarm = f"{(size - vram) * 100 // size}% of it is not on the GPU: it will be slow"
        made.append(Warmed(host, model.name, one.context_length, size, vram, alarm))
    return made


def _folded(model: WantedModel) -> str:
    return checked_name(model.name, "warm").folded


def _by_name(running: ProcessResponse) -> Mapping[str, ProcessResponse.Model]:
    found: dict[str, ProcessResponse.Model] = {}
    for one in running.models:
        try:
            found[checked_name(one.model or one.name, "ps").folded] = one
        except RequestError:
            continue
    return found


class Watch:
    """Counts how often models of a pool fall out of memory, from one look to the next.

    A model that falls out `limit` times within `window_s` thrashes: every time its users wait
    for it to load.

    Args:
        limit: Falls that are an alarm.
        window_s: Seconds they have to happen in.
    """

    def __init__(self, *, limit: int = 3, window_s: float = 600.0) -> None:
        if limit < 1 or not window_s > 0:
            raise RequestError("Watch takes a limit of 1 or more and a window above 0 seconds")
        self._limit = limit
        self._window_s = window_s
        self._present: dict[str, set[str]] = {}
        self._falls: dict[tuple[str, str], list[float]] = {}

    def look(self, names: Iterable[str], now_s: float, *, host: str = "") -> tuple[str, ...]:
        """Take in which models are loaded on a host now; give those that thrash, by name."""
        present = set(names)
        for name in self._present.get(host, set()) - present:
            self._falls.setdefault((host, name), []).append(now_s)
        self._present[host] = present
        for key, falls in self._falls.items():
            self._falls[key] = [at for at in falls if now_s - at <= self._window_s]
        return tuple(
            sorted(
                name
                for (where, name), falls in self._falls.items()
                if where == host and len(falls) >= self._limit
            )
        )

    def loaded(self, name: str, *, host: str = "") -> None:
        """Take in that a model was loaded since the last look: if it is gone, it fell out."""
        self._present.setdefault(host, set()).add(name)
