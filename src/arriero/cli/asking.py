"""Options that shape an answer, the same for `run` and `chat`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

System = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="Instead of the model's system text.")
]
Images = Annotated[
    list[Path] | None,
    typer.Option("--image", metavar="FILE", help="Picture for the model to see; repeatable."),
]
Think = Annotated[
    bool | None,
    typer.Option(
        "--think/--no-think", help="Reason first, or not; without it the model's own way."
    ),
]
Effort = Annotated[
    str | None,
    typer.Option(
        "--effort",
        metavar="LEVEL",
        help="How much to reason: low, medium, high, or as the model has.",
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="NAME=VALUE",
        help="Such as temperature=0 or num_ctx=8192; repeatable.",
    ),
]
KeepAlive = Annotated[
    str | None,
    typer.Option(
        "--keep-alive",
        metavar="DURATION",
        help="How long the model stays loaded afterwards: 5m, 0, or -1 for good.",
    ),
]
