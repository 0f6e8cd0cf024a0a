"""A measurement in words for people, and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from arriero import __version__
from arriero.cli.bench.figures import Figures
from arriero.cli.printable import one_line
from arriero.errors import ArrieroError

if TYPE_CHECKING:
    from arriero import Client
    from arriero.cli.bench.load import Level, Load

_NAMES = ("p50", "p95", "min", "max")


def head_of(client: Client, load: Load) -> dict[str, Any]:
    """Tell what is measured: without it the numbers mean nothing later."""
    try:
        server = client.version().version
    except ArrieroError:  # the requests will tell better what is wrong
        server = None
    return {
        "arriero": __version__,
        "host": client.host,
        "server": server,
        "model": load.model,
        "prompt": load.prompt,
        "same_prompt": load.is_same,
        "options": load.options,
    }


def figures_of(level: Level) -> dict[str, Figures]:
    """Sum up a level by what was measured."""
    answers = level.answers
    rates = [one.tokens_per_s for one in answers]
    return {
        "first_token_s": Figures.of([one.first_token_s for one in answers]),
        "tokens_per_s": Figures.of([rate for rate in rates if rate is not None]),
        "total_s": Figures.of([one.total_s for one in answers]),
        "tokens": Figures.of([one.tokens for one in answers]),
    }


def levels_as_json(levels: Sequence[Level], requests: int) -> dict[str, Any]:
    """Give levels as JSON; seconds and tokens, unrounded."""
    return {"requests": requests, "levels": [_as_json(level) for level in levels]}


def _as_json(level: Level) -> dict[str, Any]:
    return {
        "concurrency": level.concurrency,
        "answers": len(level.answers),
        "failures": _failures(level),
        "wall_s": level.wall_s,
        "tokens_per_s_in_all": _tokens(level) / level.wall_s if level.wall_s else None,
        "answers_per_s": len(level.answers) / level.wall_s if level.wall_s else None,
        "tokens_counted_by": "server" if _is_counted(level) else "parts",
        **{name: asdict(figures) for name, figures in figures_of(level).items()},
    }


def report_of(level: Level) -> str:
    """Give a level as a table of at most 60 columns, and what to know about it."""
    figures = figures_of(level)
    rows = [
        [f"{level.concurrency} at a time", *_NAMES],
        ["first token", *_cells(figures["first_token_s"], _seconds)],
        ["whole answer", *_cells(figures["total_s"], _seconds)],
        ["tokens/s of each", *_cells(figures["tokens_per_s"], _number)],
        ["tokens of each", *_cells(figures["tokens"], _whole)],
    ]
    table = [row[0].ljust(18) + "".join(cell.rjust(10) for cell in row[1:]) for row in rows]
    return "\n".join([*table, *_remarks(level)])


def _remarks(level: Level) -> list[str]:
    count, tokens = len(level.answers), _tokens(level)
    lines = [f"in all: {count} answers, {tokens} tokens in {_seconds(level.wall_s)}"]
    if level.wall_s:
        lines[0] += f": {_number(tokens / level.wall_s)} tokens/s"
    if not _is_counted(level):
        lines.append("The server counts no tokens: what is counted is the parts that came.")
    lines += [f"failed: {count} times {text}" for text, count in _failures(level).items()]
    return lines


def _failures(level: Level) -> dict[str, int]:
    """Count the failures by kind and text; the most frequent first."""
    told = (f"{type(one).__name__}: {one_line(str(one))}" for one in level.failures)
    return dict(Counter(told).most_common())


def _tokens(level: Level) -> int:
    return sum(one.tokens for one in level.answers)


def _is_counted(level: Level) -> bool:
    return all(one.is_counted for one in level.answers)


def _cells(figures: Figures, told: Callable[[float], str]) -> list[str]:
    values = [getattr(figures, name) for name in _NAMES]
    return ["-" if value is None else told(value) for value in values]


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 1000 else _whole(value)
