"""Progress of pull, push and create."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from arriero import ProgressResponse
from arriero.cli.output import Output
from arriero.cli.progress import Bars, Lines, Silence, progress_of


def layer(
    completed: int | None, total: int = 1_000_000, digest: str = "sha256:ab"
) -> ProgressResponse:
    """Give a step of one layer."""
    return ProgressResponse(
        status=f"pulling {digest[7:]}", digest=digest, total=total, completed=completed
    )


def lines_of(*steps: tuple[float, ProgressResponse]) -> list[str]:
    """Give the lines written about steps that come at certain seconds."""
    written: list[str] = []
    now = 0.0
    lines = Lines(written.append, lambda: now)
    for now, step in steps:  # noqa: B007  # the clock reads it
        lines.take(step)
    return written


def test_a_status_is_told_once() -> None:
    """Servers repeat a status while it lasts."""
    manifest = ProgressResponse(status="pulling manifest")
    assert lines_of((0, manifest), (1, manifest), (2, ProgressResponse(status="success"))) == [
        "pulling manifest",
        "success",
    ]


def test_a_layer_is_told_at_its_beginning_every_ten_seconds_and_at_its_end() -> None:
    """A log stays short; rate and time left are those of this run."""
    assert lines_of(
        (0, layer(None)),
        (4, layer(100_000)),
        (10, layer(200_000)),
        (19, layer(300_000)),
        (20, layer(400_000)),
        (50, layer(1_000_000)),
        (51, layer(1_000_000)),
    ) == [
        "pulling ab: 0 B of 1.0 MB (0%)",
        "pulling ab: 200.0 kB of 1.0 MB (20%), 20.0 kB/s, 40s left",
        "pulling ab: 400.0 kB of 1.0 MB (40%), 20.0 kB/s, 30s left",
        "pulling ab: 1.0 MB of 1.0 MB (100%), 20.0 kB/s",
    ]


def test_what_was_there_before_counts_for_no_rate() -> None:
    """A pull that goes on from half does not begin with an endless rate."""
    told = lines_of((0, layer(500_000)), (10, layer(600_000)))
    assert told[1] == "pulling ab: 600.0 kB of 1.0 MB (60%), 10.0 kB/s, 40s left"


def test_layers_are_told_apart() -> None:
    """Several layers come at the same time."""
    told = lines_of((0, layer(1)), (1, layer(2, digest="sha256:cd")), (2, layer(3)))
    assert told == ["pulling ab: 1 B of 1.0 MB (0%)", "pulling cd: 2 B of 1.0 MB (0%)"]


@pytest.mark.parametrize(
    ("out", "kind"), [(Output(quiet=True, as_json=True), Silence), (Output(), Lines)]
)
def test_the_way_fits_the_output(out: Output, kind: type) -> None:
    """Quiet wins over JSON; what is no terminal gets lines."""
    assert type(progress_of(out)) is kind


def shown(width: int, *steps: ProgressResponse) -> str:
    """Give what bars leave on a terminal of that width, without its codes."""
    out, file = Output(), io.StringIO()
    out.__dict__["errors"] = Console(
        file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False
    )
    with Bars(out) as bars:
        for step in steps:
            bars.take(step)
    return file.getvalue()


def test_bars_show_rate_and_share() -> None:
    """On a terminal each layer has its bar; everything stays in its order."""
    text = shown(
        100,
        ProgressResponse(status="pulling manifest"),
        layer(250_000),
        layer(1_000_000),
        ProgressResponse(status="success"),
    )
    assert "pulling manifest\n" in text
    assert "pulling ab" in text
    assert "100%" in text
    assert "1.0/1.0 MB" in text
    assert text.endswith("\x1b[?25hsuccess\n")  # the cursor is shown again


@pytest.mark.parametrize("width", [30, 40, 60, 79, 80])
def test_bars_fit_narrow_terminals(width: int) -> None:
    """No line is longer than the terminal, else every update would scroll."""
    lines = shown(width, layer(250_000)).replace("\x1b[2K", "").replace("\x1b[1A", "").splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= width


def test_a_step_cannot_write_on_the_terminal() -> None:
    """Markup and escape codes of a server are text."""
    text = shown(80, ProgressResponse(status="[red]x\x1b[31m"), layer(1, digest="sha256:[b]\x1b[m"))
    assert "[red]x?[31m" in text
    assert "pulling [b]?[m" in text
