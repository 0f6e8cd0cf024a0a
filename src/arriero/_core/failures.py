"""From what a transport reports to what a caller can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arriero._core.http import Fault
from arriero._core.policy.cleartext import is_secret
from arriero._core.secrecy import cleaned
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    CertificateNotPinned,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ProtocolError,
    ResponseError,
    ServerError,
    StreamFailed,
)

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.progress import Progress, Target
    from arriero.settings import Timeouts


def error_of_fault(
    fault: Fault, timeouts: Timeouts, *, spent_s: float, streaming: bool, other: str = ""
) -> ArrieroError:
    """Make the error of a fault.

    Args:
        fault: What the transport reported.
        timeouts: The call's budgets.
        spent_s: Seconds since the call began.
        streaming: True once records have arrived, so that the idle budget counts.
        other: URL of what was called, without credentials, if that is not the client's server.
    """
    error = _error(fault, timeouts, spent_s, streaming, other)
    error.phase = fault.phase
    return error


def _error(
    fault: Fault, timeouts: Timeouts, spent_s: float, streaming: bool, other: str
) -> ArrieroError:
    if fault.kind == "timeout":
        budget = _budget(fault, timeouts, spent_s, streaming)
        error = DeadlineExceeded(budget, getattr(timeouts, budget) or 0.0)
        error.retryable = budget == "connect_s"
        error.reason = _awaited(fault, budget)
        return error
    if fault.kind == "connect":
        return ConnectFailed(_with_remedy(fault.reason, other))
    if fault.kind == "pin":
        return CertificateNotPinned(fault.reason)
    if fault.kind == "protocol":
        return ProtocolError(fault.reason)
    if fault.kind == "closed":
        return ClientClosed(fault.reason)
    return ConnectionLost(fault.reason)


_AWAITED = {
    "send": "the server stopped reading the request",
    "head": "the server took the request and has not begun to answer: it has others before it,"
    " loads the model, or hangs",
    "body": "the answer was still coming",
}
"""What is waited for in a phase; in the others the fault knows better."""


def _awaited(fault: Fault, budget: str) -> str:
    if budget == "idle_s":
        return "the server stopped in the middle of its answer"
    return _AWAITED.get(fault.phase, fault.reason)


_REFUSED_THERE = "connection refused"
_STRANGER = "if it is the right server, name its authority with Tls(ca=...), or in SSL_CERT_FILE"
_NO_TLS = "it may speak plain HTTP there; its URL then begins with http://"
_REMEDIES = {
    _REFUSED_THERE: "nothing listens there; start 'ollama serve' or 'arriero serve'",
    "certificate not accepted: unable to get": _STRANGER,
    "certificate not accepted: self": _STRANGER,
    "tls: wrong version number": _NO_TLS,
    "tls: record layer failure": _NO_TLS,
}


def _with_remedy(reason: str, other: str) -> str:
    """Add what to do to the failures everybody meets."""
    if other and reason.lower().startswith(_REFUSED_THERE):
        return f"{reason}: nothing listens at {other}; see whether that is its address, and it runs"
    for beginning, remedy in _REMEDIES.items():
        if reason.lower().startswith(beginning):
            return f"{reason}: {remedy}"
    return reason


_EARLY_S = 0.005
"""A deadline may be seen to pass a little before the clock says so."""


def _budget(fault: Fault, timeouts: Timeouts, spent_s: float, streaming: bool) -> str:
    if timeouts.total_s is not None and spent_s >= timeouts.total_s - _EARLY_S:
        return "total_s"
    if fault.phase == "connect" and timeouts.connect_s is not None:
        # Both began with the attempt, so the shorter one ran out.
        first_s = timeouts.first_token_s
        return "connect_s" if first_s is None or timeouts.connect_s <= first_s else "first_token_s"
    return "idle_s" if streaming else "first_token_s"


def described(error: ArrieroError, *, call: str, host: str, attempts: int) -> ArrieroError:
    """Write onto `error` which call it belongs to, and give it back."""
    error.call = call
    error.host = host
    error.attempts = attempts
    return error


_BAD_NEWS = (
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ProtocolError,
    ServerError,
    StreamFailed,
)


def verdict(error: ArrieroError) -> bool | None:
    """Tell whether a failed call says that its host is well; None if it says nothing."""
    if isinstance(error, _BAD_NEWS):
        return False
    return True if isinstance(error, ResponseError) else None


def failure(
    call: Call[Any],
    target: Target,
    progress: Progress,
    fault: Fault,
    *,
    streaming: bool = False,
) -> ArrieroError:
    """Make the error of a fault in this call."""
    spent_s = target.clock() - progress.started_s
    cleaned(fault, progress.sent, call.secrets)
    other = "" if call.base is None else progress.url.partition("?")[0]
    error = error_of_fault(
        fault, progress.timeouts, spent_s=spent_s, streaming=streaming, other=other
    )
    if fault.kind == "lost" and not streaming:
        error.retryable = call.is_repeatable
    return told(error, call, progress)


_REFUSED = "the credential that was sent was refused; it may have expired"
_NOT_SENT = "no credential was sent; give auth=, or user:password@ in the host's URL"


def told(error: ArrieroError, call: Call[Any], progress: Progress) -> ArrieroError:
    """Write onto what came of a request which call it belongs to; no secret stays in it."""
    cleaned(error, progress.sent, call.secrets)
    if isinstance(error, ResponseError):
        # Its text is the server's, word for word; notes are for who reads the traceback.
        error.add_note(f"{call.name} at {progress.host}")
    if isinstance(error, AccessDenied) and error.status == 401:
        has_sent = any(is_secret(name) for name, _ in progress.sent)
        error.add_note(_REFUSED if has_sent else _NOT_SENT)
    return described(error, call=call.name, host=progress.host, attempts=progress.attempts)
