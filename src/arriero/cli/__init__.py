"""The command line: `arriero ...`. Needs the extra ``cli``.

One module for each command; `arriero.cli.app` puts them together.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from io import TextIOWrapper


def main() -> None:
    """Run the command that `sys.argv` names, and exit.

    Exit codes: `arriero.cli.exits.ExitCode`.
    """
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        print(
            f"arriero: the command line needs {' and '.join(missing)}:"
            " pip install 'arriero[cli,server]'",
            file=sys.stderr,
        )
        raise SystemExit(1)
    # A descriptor that the caller has closed is no stream at all for Python.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # to the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # letters the locale lacks are no reason to break
            stream.reconfigure(errors="backslashreplace")
    try:
        from arriero.cli.app import app
        from arriero.cli.exits import ExitCode, output_failed

        try:
            app(prog_name="arriero")
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # for which typer has a plain 1
                raise SystemExit(int(ExitCode.BROKEN_PIPE)) from end
            raise
        except OSError as error:  # of stdout, before a command began: the text of --help
            raise SystemExit(int(output_failed(error))) from error
    except KeyboardInterrupt:  # before the command could take it
        raise SystemExit(130) from None
