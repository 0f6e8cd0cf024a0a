"""Numbers as Go prints them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


def shortest_floats(values: Sequence[float]) -> list[float]:
    """Give the shortest decimals that still name the same 32-bit floats.

    llama.cpp prints 32-bit floats with the digits of 64-bit ones; Ollama prints vectors in
    their own width, which halves the bytes.
    """
    exact = array("f", values)
    best = list(exact)
    # Nine digits always name a 32-bit float; most need eight, few less than seven.
    for digits in (9, 8, 7, 6):
        tries = [float(f"{value:.{digits}g}") for value in exact]
        for at, (want, got) in enumerate(zip(exact, array("f", tries), strict=True)):
            if want == got:
                best[at] = tries[at]
    return best


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
