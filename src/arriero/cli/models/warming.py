"""`arriero models warm`."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.amounts import bytes_of
from arriero.cli.exits import ExitCode
from arriero.cli.models.group import models
from arriero.cli.models.provision import (
    WANTED,
    File,
    JournalFile,
    Only,
    journal_of,
    plain,
    provisioner_of,
    wanted_of,
)
from arriero.cli.session import Session, command
from arriero.errors import ArrieroError, RequestError

if TYPE_CHECKING:
    from arriero.cli.output import Output
    from arriero.lifecycle import Provisioner, Wanted, Warmed

_INTERVAL_S = 30.0


@command(models)
def warm(
    session: Session,
    file: File = WANTED,
    only: Only = None,
    journal: JournalFile = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and keep the pool warm until Ctrl-C.")
    ] = False,
    interval_s: Annotated[
        float | None,
        typer.Option(
            "--interval-s",
            metavar="SECONDS",
            min=0.1,
            help=f"Time between two looks of --watch; {_INTERVAL_S:g} if not given.",
        ),
    ] = None,
) -> None:
    """Load every model with preload, and wait until all are ready.

    Then it looks whether they stay. Ends with 1 if one fell out again, has too little context, or
    runs partly on the CPU.

    With --watch, models that are to stay are loaded again when they fall out, and pinned again
    when a request unpins them; a line tells of each, and of what is wrong. A model that thrashes
    is left alone for ten minutes. Ctrl-C and SIGTERM end it with 0; the pool stays loaded.
    """
    if interval_s is not None and not watch:
        raise RequestError("--interval-s is for --watch")
    wanted = wanted_of(file)
    with provisioner_of(session, journal_of(journal), wanted.hosts, only or ()) as provisioner:
        made = provisioner.warm(wanted)
        if watch:
            news = News(session.out)
            news.take(made)
            _watch(provisioner, wanted, news, _INTERVAL_S if interval_s is None else interval_s)
            session.out.remark("Stopped. The pool stays loaded.")
            return
    _show(session.out, made)
    if any(one.alarm for one in made):
        raise typer.Exit(ExitCode.FAILED)


def _show(out: Output, made: list[Warmed]) -> None:
    if out.as_json:
        out.document({"models": [plain(one) for one in made]})
        return
    rows = [
        [one.host, one.model, str(one.context_length or "-"), bytes_of(one.size)] for one in made
    ]
    if rows and not out.quiet:
        out.table(["HOST", "MODEL", "CONTEXT", "MEMORY"], rows)
    out.lines(f"! {one.model} on {one.host}: {one.alarm}" for one in made if one.alarm)


def _watch(provisioner: Provisioner, wanted: Wanted, news: News, interval_s: float) -> None:
    """Look every so often, until a signal ends it."""
    from arriero.lifecycle import Watch

    watch = Watch()
    with suppress(KeyboardInterrupt, SystemExit):
        while True:
            time.sleep(interval_s)
            for host in provisioner.hosts:
                try:
                    news.take(provisioner.keep_warm(wanted, host, watch))
                except ArrieroError as error:
                    news.tell(host, "", f"cannot be looked at: {error}")
                else:
                    news.tell(host, "", "")


class News:
    """Tells what is new, a line each: what was loaded again, what is wrong, what is well again.

    Args:
        out: Where to.
    """

    def __init__(self, out: Output) -> None:
        self._out = out
        self._wrong: dict[tuple[str, str], str] = {}
        self._known: set[tuple[str, str]] = set()

    def take(self, made: list[Warmed]) -> None:
        """Take in what a look has found."""
        for one in made:
            key = (one.host, one.model)
            if one.again:
                self._line(*key, "loaded again", "")
            elif key not in self._known and not one.alarm:
                self._line(*key, "ready", "")
            self._known.add(key)
            self.tell(*key, one.alarm)

    def tell(self, host: str, model: str, wrong: str) -> None:
        """Take in what is wrong with a host or a model of it; "" is nothing."""
        before = self._wrong.get((host, model), "")
        self._wrong[host, model] = wrong
        if wrong and wrong != before:
            self._line(host, model, "alarm", wrong)
        elif before and not wrong:
            self._line(host, model, "well again", "")

    def _line(self, host: str, model: str, event: str, text: str) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        if self._out.as_json:
            about = {"at": now, "host": host, "model": model, "event": event, "text": text}
            self._out.line(about)
            return
        if self._out.quiet and event != "alarm":
            return
        told = f"{event}: {text}" if text else event
        self._out.lines(["  ".join(part for part in (now, host, model, told) if part)])
