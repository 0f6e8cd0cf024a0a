"""`arriero ps`, `stop`, `version`: what runs, ending it, and which versions talk."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

from arriero import __version__
from arriero.cli.amounts import bytes_of, when
from arriero.cli.names import ModelNames
from arriero.cli.session import Session
from arriero.errors import ArrieroError


def ps(session: Session) -> None:
    """List the models the server has loaded."""
    out, answer = session.out, session.client.ps()
    if out.as_json:
        out.document({"models": [one.model_dump(mode="json") for one in answer.models]})
        return
    if out.quiet:
        for one in answer.models:
            out.text(one.model or "")
        return
    now = datetime.now(UTC)
    rows = [
        [
            one.model or "",
            bytes_of(one.size),
            processor_of(one.size, one.size_vram),
            str(one.context_length or "-"),
            _until(one.expires_at, now),
        ]
        for one in answer.models
    ]
    out.table(["NAME", "SIZE", "PROCESSOR", "CONTEXT", "UNLOADS"], rows)


def processor_of(size: int | None, size_vram: int | None) -> str:
    """Tell where a model's memory is, such as ``40% GPU, 60% CPU``."""
    if not size:
        return "-"
    share = min(100, round((size_vram or 0) * 100 / size))
    if share in (0, 100):
        return "GPU" if share else "CPU"
    return f"{share}% GPU, {100 - share}% CPU"


def _until(expires_at: datetime | None, now: datetime) -> str:
    """Tell when an idle model goes; servers write "never" as a time centuries away."""
    if expires_at is None:
        return "-"
    if (expires_at - now).days > 36500:
        return "never"
    return when(expires_at, now) if expires_at > now else "when its work is done"


def stop(session: Session, names: ModelNames) -> None:
    """Unload models once their running requests are done."""
    for name in names:
        session.client.unload(name)
        if session.out.as_json:
            session.out.line({"model": name, "status": "unloaded"})
        session.out.remark(f"Unloaded {name}.")


def version(session: Session) -> None:
    """Show the versions of arriero, Python and the server."""
    out, client = session.out, session.client
    server, failure = None, None
    try:
        server = client.version().version
    except ArrieroError as error:
        failure = error
    if out.as_json:
        out.document(
            {
                "arriero": __version__,
                "python": platform.python_version(),
                "host": client.host,
                "server": server,
            }
        )
    else:
        out.text(f"arriero {__version__}, Python {platform.python_version()}")
        if server is not None:
            out.text(f"server {server} at {client.host}")
    if failure is not None:
        out.remark(f"no server: {failure}")
