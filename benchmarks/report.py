"""Results as a table and as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import SUBJECTS, Result, Spread

PACKAGES = ("arriero", "ollama", "httpx", "aiohttp", "urllib3", "msgspec", "numpy")
HEADINGS = ("what", "unit", *SUBJECTS, "to ollama", "target", "to floor", "target")


def machine() -> dict[str, Any]:
    """Give what the numbers depend on."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def as_json(results: Sequence[Result], *, size: str) -> str:
    """Give everything that was measured."""
    return json.dumps(
        {"size": size, **machine(), "rows": [_row_as_json(result) for result in results]},
        indent=1,
        ensure_ascii=False,
    )


def _row_as_json(result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {"name": result.name, "unit": result.unit}
    for subject, values in result.values.items():
        row[subject] = {**_rounded(Spread.of(values)), "rounds": [_short(v) for v in values]}
    if result.unit != "KiB":
        for other in SUBJECTS[1:]:
            target = result.targets.get(other)
            row[f"to_{other}"] = {
                **_rounded(result.ratio(other)),
                "target": str(target or "") or None,
                "holds": result.verdict(other),
            }
    return row


def _rounded(spread: Spread) -> dict[str, float]:
    return {
        "median": _short(spread.median),
        "low": _short(spread.low),
        "high": _short(spread.high),
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def cells(result: Result) -> list[str]:
    """Give the texts of a row of the table."""
    row = [result.name, result.unit]
    row += [_number(result.spread(subject).median) for subject in SUBJECTS]
    for other in SUBJECTS[1:]:
        if result.unit == "KiB":
            row += ["", ""]
            continue
        ratio, target = result.ratio(other), result.targets.get(other)
        sign = "+" if result.is_added(other) else ""
        row.append(f"{sign}{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})")
        mark = {True: " ✓", False: " ✗", None: ""}[result.verdict(other)]
        row.append(f"{'' if target is None else target}{mark}")
    return row


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(results: Sequence[Result]) -> None:
    """Print the table, with rich if it is there."""
    rows = [cells(result) for result in results]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(as_markdown(rows))
        return
    table = Table(*HEADINGS, title="CPU time of the client process")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.width = max(console.width, 150)
    console.print(table)


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Give the table as Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
