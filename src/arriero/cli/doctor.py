"""`arriero doctor`: what stands between this machine and its server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.exits import ExitCode
from arriero.cli.printable import printable
from arriero.cli.session import Session

if TYPE_CHECKING:
    from arriero import Finding
    from arriero.cli.output import Output

_PATIENCE_S = 5.0
_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}


def doctor(
    session: Session,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let warnings fail the command as errors do.")
    ] = False,
) -> None:
    """Look at the way to the server, and say what to mend.

    Nothing is changed and no model is loaded. Exit code 1 if there is an error: a call would
    fail, or a secret could be read by others. With --quiet: only warnings and errors.
    """
    import arriero

    out = session.out
    # An option and the variable behind it are the same to us, but not to who has to mend it.
    host = None if session.host == os.environ.get("OLLAMA_HOST") else session.host
    diagnosis = arriero.doctor(host, timeout_s=session.timeout_s or _PATIENCE_S)
    if out.as_json:
        out.document(diagnosis.to_dict())
    else:
        for finding in diagnosis:
            if not out.quiet or finding.severity in ("warning", "error"):
                _show(out, finding)
    fails = ("error", "warning") if strict else ("error",)
    if any(one.severity in fails for one in diagnosis):
        raise typer.Exit(ExitCode.FAILED)


def _show(out: Output, finding: Finding) -> None:
    """Write a finding, and its remedy below it; both wrap under their own beginning."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    severity = Text(f"{finding.severity:<8}", _STYLES[finding.severity])
    if not out.is_terminal:
        out.text(f"{finding.severity:<8} {finding.check:<12} {finding.text}")
        if finding.remedy:
            out.text(f"{'':<22}-> {finding.remedy}")
        return
    line = Table.grid(padding=(0, 1))
    text = Text(printable(finding.text), overflow="fold")
    line.add_row(severity, Text(f"{finding.check:<12}", "bold"), text)
    out.console.print(line)
    if finding.remedy:
        out.console.print(Padding(Text(f"-> {printable(finding.remedy)}", "cyan"), (0, 0, 0, 22)))
