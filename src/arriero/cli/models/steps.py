"""The steps of `apply` as they happen."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from arriero.cli.progress import Lines, progress_of

if TYPE_CHECKING:
    from arriero.cli.output import Output
    from arriero.lifecycle import Step
    from arriero.types.models import ProgressResponse


@contextmanager
def shown_steps(out: Output) -> Generator[Any]:
    """Give what `Provisioner.apply` tells its steps to; it shows them on stderr."""
    if out.quiet or out.as_json:
        yield None
        return
    # Bars of several hosts at a time would write over each other; the steps may come from
    # threads.
    lock = Lock()
    with progress_of(out) as progress:

        def tell(step: Step, word: str, record: ProgressResponse | None) -> None:
            with lock:
                if record is not None:
                    progress.take(record)
                elif isinstance(progress, Lines) or word != "pulling":
                    out.remark(f"{step.host}  {step.model}  {word}")

        yield tell
