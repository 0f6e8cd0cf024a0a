"""Numbers as Go prints them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence


def shortest_floats(values: Sequence[float]) -> list[float]:
    """Give the shortest decimals that still name the same 32-bit floats.

    llama.cpp prints 32-bit floats with the digits of 64-bit ones; Ollama prints vectors in
    their own width, which halves the bytes.
    """
    exact = array("f", values)
    # Nine digits always name a 32-bit float; most need eight, few less than seven. Writing a
    # number takes a microsecond, so each is only written again where that can help.
    best = _written(exact, 8)
    named = _same(exact, best, range(len(best)))
    long = sorted(set(range(len(best))) - set(named))
    for at, number in zip(long, _written([exact[at] for at in long], 9), strict=True):
        best[at] = number
    for digits in (7, 6):
        tries = dict(zip(named, _written([exact[at] for at in named], digits), strict=True))
        named = _same(exact, tries, named)
        for at in named:
            best[at] = tries[at]
    return best


def _written(values: Sequence[float], digits: int) -> list[float]:
    text = f"%.{digits}g " * len(values) % tuple(values)
    return [float(number) for number in text.split()]


def _same(
    exact: Sequence[float], tries: Sequence[float] | Mapping[int, float], places: Iterable[int]
) -> list[int]:
    """Give the places where a try names the same 32-bit float."""
    at_each = list(places)
    narrow = array("f", [tries[at] for at in at_each])
    return [at for at, got in zip(at_each, narrow, strict=True) if exact[at] == got]


def widened_floats(values: Sequence[float]) -> list[float]:
    """Give the same 32-bit floats with all digits of 64-bit ones."""
    return list(array("f", values))


def parameter_size(count: int) -> str:
    """Name a number of parameters: ``8.0B``, ``2.21M``, ``137M``, ``12K``.

    Source: Ollama v0.33.0-rc2, format.HumanNumber.
    """
    for unit, size, places in (("B", 1_000_000_000, 1), ("M", 1_000_000, 2)):
        if count >= size:
            whole = count % size == 0
            return f"{count / size:.0f}{unit}" if whole else f"{count / size:.{places}f}{unit}"
    return f"{count / 1000:.0f}K" if count >= 1000 else str(count)
