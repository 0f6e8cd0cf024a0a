"""`arriero audit ...`: is an audit log whole, and what does it say."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arriero.cli.amounts import counted
from arriero.cli.exits import ExitCode
from arriero.cli.printable import one_line
from arriero.cli.session import Session, command
from arriero.errors import RequestError

if TYPE_CHECKING:
    from arriero import AuditReport
    from arriero.cli.output import Output

audit = typer.Typer(no_args_is_help=True, help="Check and read audit logs. No server is asked.")

LogPath = Annotated[Path, typer.Argument(metavar="PATH", help="The file given to AuditLog.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="File that holds the log's key, as it is."),
]


@command(audit, "verify")
def verify(
    session: Session,
    path: LogPath,
    key_file: KeyFile = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQ:HASH",
            help="A record that was noted elsewhere and must be in the log; may be repeated.",
        ),
    ] = None,
) -> None:
    """Find any change, cut, gap or other order in an audit log.

    Exit code 1 if there is one. The last line gives the anchor of the newest record, which is
    worth keeping where whoever can write the log cannot.
    """
    from arriero import verify_audit

    report = verify_audit(path, key=_key(key_file), anchors=[_anchor(one) for one in anchor or ()])
    _show(session.out, report)
    if not report.ok:
        raise typer.Exit(ExitCode.FAILED)


def _show(out: Output, report: AuditReport) -> None:
    if out.as_json:
        out.document(
            {
                "ok": report.ok,
                "files": report.files,
                "records": report.records,
                "first": report.first,
                "last": report.last,
                "hash": report.hash,
                "problems": [
                    {"kind": one.kind, "file": one.file, "line": one.line, "text": one.text}
                    for one in report.problems
                ],
                "notes": list(report.notes),
            }
        )
        return
    for problem in report.problems:
        out.text(str(problem))
    for note in report.notes:
        out.remark(f"note: {note}")
    state = "whole" if report.ok else counted(len(report.problems), "problem")
    out.remark(
        f"{counted(report.records, 'record')}, {report.first} to {report.last},"
        f" in {counted(report.files, 'file')}: {state}"
    )
    if report.ok:
        out.text(f"{report.last}:{report.hash}")


@command(audit, "show")
def show(
    session: Session,
    path: LogPath,
    last: Annotated[int, typer.Option(min=1, metavar="COUNT", help="How many.")] = 20,
    key_file: KeyFile = None,
) -> None:
    """Show the last records of an audit log. With --json: whole, one a line.

    Records that were changed are left out; see `verify`.
    """
    from arriero.observe.verify import audit_records

    records = deque(audit_records(path, key=_key(key_file)), last)
    if session.out.as_json:
        for record in records:
            session.out.line(record)
        return
    head = ["SEQ", "TIME", "WHO", "CALL", "MODEL", "OUTCOME", "SECONDS", "TOKENS"]
    session.out.table(head, [_row(record) for record in records])


def _row(record: dict[str, Any]) -> list[str]:
    at = str(record.get("at", ""))[:19]
    if record.get("kind") != "call":
        return [str(record["seq"]), at, "-", f"({record.get('kind')})", "-", "-", "-", "-"]
    error, counts = record["error"], record["counts"]
    tokens = (counts["prompt_tokens"] or 0) + (counts["answer_tokens"] or 0)
    who = f"{record['actor']} {record['tenant']}".strip()
    return [
        str(record["seq"]),
        at,
        one_line(who) or "-",
        record["call"],
        one_line(record["model"]) or "-",
        record["outcome"] if error is None else error["class"],
        f"{record['timings']['spent_s']:.2f}",
        str(tokens or "-"),
    ]


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"--key-file {path}: {error.strerror}") from error


def _anchor(text: str) -> tuple[int, str]:
    seq, _, hash_ = text.partition(":")
    if not seq.isdecimal() or len(hash_) != 64:
        raise RequestError(f"--anchor takes SEQ:HASH, as `verify` prints it, not {text!r}")
    return int(seq), hash_
