"""Convert a model in a process of its own: a crash of ggml ends the work, not the server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

from .mixes import Mix

_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from arriero.server.quantizer.child import main; main()"
)
_PIECE_BYTES = 1024 * 1024


class QuantizingFailed(Exception):
    """The model could not be converted; the message is for the caller."""


def quantized(path: Path, wanted: Mix, go_on: Callable[[], bool]) -> Generator[bytes]:
    """Give a file in another type, piece by piece. Blocks; leaving early ends the process.

    Args:
        path: A GGUF file of floats.
        wanted: The mix of types it becomes.
        go_on: Asked before each piece.

    Raises:
        QuantizingFailed: it could not be converted.
        InterruptedError: `go_on` said no.
    """
    command = (sys.executable, "-c", _BOOT, str(path), wanted, *sys.path)
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(  # noqa: S603  # the path is one of the store's
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "GGML_NO_BACKTRACE": "1"},
            )
        except OSError as cause:
            raise QuantizingFailed(f"cannot start a process to quantize: {cause}") from cause
        assert child.stdout is not None
        try:
            with child.stdout:
                while piece := child.stdout.read(_PIECE_BYTES):
                    if not go_on():
                        raise InterruptedError
                    yield piece
            status = child.wait()
        finally:
            child.kill()
            child.wait()
        if status != 0:
            raise QuantizingFailed(f"quantizing failed: {_reason(said, status)}")


def _reason(said: IO[bytes], status: int) -> str:
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").split("\n")
    ended = f"the process ended with {status}"
    return next((line for line in reversed(lines) if line.strip()), ended) if status > 0 else ended
