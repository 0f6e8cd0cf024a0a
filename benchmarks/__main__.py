"""``python -m benchmarks``: measure everything and write `results/latest.json`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks import measure, report
from benchmarks.rows import ROWS, SIZES, Size

_LATEST = Path(__file__).parent / "results" / "latest.json"


def main(arguments: list[str] | None = None) -> None:
    """Run the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_const", const="quick", dest="size")
    parser.add_argument("--smoke", action="store_const", const="smoke", dest="size")
    parser.add_argument("--only", metavar="TEXT", help="rows whose name contains TEXT")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument(
        "--output", type=Path, help=f"where to write JSON; {_LATEST.name} of a full run"
    )
    given = parser.parse_args(arguments)
    size: Size = given.size or SIZES[0]
    rows = [row for row in ROWS if given.only is None or given.only in row.name]
    if not rows:
        parser.error(f"no row's name contains {given.only!r}")
    results: list[measure.Result] = []
    with measure.serving() as url:
        began_s = time.monotonic()
        for result in measure.measure_all(rows, size, url):
            results.append(result)
            print(f"{time.monotonic() - began_s:5.0f} s  {result.name}", file=sys.stderr)
    if given.markdown:
        print(report.as_markdown([report.cells(result) for result in results]))
    else:
        report.show(results)
    output = given.output
    if output is None and size == "full" and given.only is None:
        output = _LATEST
    if output is not None:
        output.write_text(report.as_json(results, size=size) + "\n")


if __name__ == "__main__":
    main()
