"""`EventLog`: one readable line for each event, to the logger ``arriero``.

Lines hold names, numbers, classes of errors and what this side says of them: no prompts, no
answers, no texts of servers, which may quote both.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from arriero._core.events import (
    BreakerChanged,
    CallAdmitted,
    CallEnded,
    CallStarted,
    ContentJudged,
    FirstRecord,
    RecordsArrived,
    StreamOpened,
    TryEnded,
)
from arriero.errors import (
    ArrieroError,
    ConnectFailed,
    ConnectionLost,
    CredentialError,
    DeadlineExceeded,
    PolicyError,
    RequestError,
    ResponseError,
)

if TYPE_CHECKING:
    from arriero._core.events import Event

_LOGGER = logging.getLogger("arriero")

_LEVELS: dict[type, int] = {
    CallStarted: logging.DEBUG,
    CallAdmitted: logging.DEBUG,
    StreamOpened: logging.DEBUG,
    FirstRecord: logging.DEBUG,
    RecordsArrived: logging.DEBUG,
    TryEnded: logging.WARNING,
    BreakerChanged: logging.WARNING,
}


class EventLog:
    """An observer that logs; what ``Client(log="info")`` makes.

    The end of a call is logged as info, failed ones as warnings, what happens on the way as
    debug, failed tries and breakers as warnings.
    """

    def __init__(self, level: str | int) -> None:
        """Log from a level on; the logger's own level counts as well, unless it has none.

        Raises:
            RequestError: there is no such level.
        """
        known = logging.getLevelNamesMapping()
        number: object = known.get(level.upper()) if isinstance(level, str) else level
        if not isinstance(number, int) or isinstance(number, bool):
            names = "'debug', 'info', 'warning'"
            raise RequestError(f"log: a level such as {names}, not {level!r}")
        self._level = number
        if _LOGGER.level == logging.NOTSET:
            _LOGGER.setLevel(number)

    def __call__(self, event: Event) -> None:
        """Log an event."""
        level = _LEVELS.get(type(event), logging.INFO)
        if isinstance(event, CallEnded) and event.outcome == "failed":
            level = logging.WARNING
        if level >= self._level and _LOGGER.isEnabledFor(level):
            _LOGGER.log(level, "%s", line_of(event))


def log_events(level: str | int = "info") -> EventLog:
    """Give an observer that logs: ``Client(observers=[log_events()])``.

    Raises:
        RequestError: there is no such level.
    """
    return EventLog(level)


def line_of(event: Event) -> str:
    """Give an event as one line, whatever names and reasons hold."""
    line = _line(event)
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _line(event: Event) -> str:
    match event:
        case CallStarted():
            kind = ", stream" if event.is_stream else ""
            return f"#{event.id} {event.call} {event.model or '-'} at {event.host}{kind}: begins"
        case CallAdmitted():
            return f"#{event.id} waited {event.waited_s:.3f} s in the queue"
        case TryEnded():
            then = f", {event.reason}" if event.reason else f" in {event.wait_s:.3f} s"
            failed = f"#{event.id} try {event.tries} failed: {_named(event.error)}"
            return f"{failed}; {event.decision}{then}"
        case BreakerChanged():
            return f"breaker of {event.host} {event.model}: {event.state}"
        case ContentJudged():
            why = f": {event.reason}" if event.reason else ""
            return f"#{event.id} content, {event.stage}, {event.verdict}{why}"
        case StreamOpened():
            return f"#{event.id} stream is open"
        case FirstRecord():
            return f"#{event.id} first record after {event.after_s:.3f} s"
        case RecordsArrived():
            return f"#{event.id} {event.count} records after {event.gap_s:.3f} s"
        case CallEnded():
            return _end(event)


def _named(error: ArrieroError) -> str:
    """Give the class of an error, and what is known of it without a server's words."""
    name = type(error).__name__
    if isinstance(error, DeadlineExceeded):
        return f"{name}, {error.budget}={error.limit_s:g} in {error.phase}"
    if isinstance(error, PolicyError):
        return f"{name}, {error.reason}"
    if isinstance(error, CredentialError):
        return f"{name}, no token from {error.provider}: {error.reason}"
    if isinstance(error, ConnectFailed | ConnectionLost):
        return f"{name}, {error.args[0]}"
    status = error.status_code if isinstance(error, ResponseError) else -1
    return name if status == -1 else f"{name} {status}"


def _end(event: CallEnded) -> str:
    what = event.outcome if event.error is None else f"{event.outcome}: {_named(event.error)}"
    host = event.host or getattr(event.error, "host", "") or "-"  # that of one never sent
    parts = [f"#{event.id} {event.call} {event.model or '-'} at {host}: {what}"]
    parts.append(f"{event.spent_s:.3f} s")
    if event.tries > 1:
        parts.append(f"{event.tries} tries")
    if event.queued_s or event.paced_s:
        parts.append(f"waited {event.queued_s + event.paced_s:.3f} s")
    counted = getattr(event.response, "prompt_eval_count", None)
    written = getattr(event.response, "eval_count", None)
    if counted is not None or written is not None:
        parts.append(f"{counted or 0} tokens in, {written or 0} out")
    return ", ".join(parts)
