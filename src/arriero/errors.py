"""Every error arriero raises on purpose.

::

    ArrieroError
    ├─ RequestError (ValueError)                 rejected before a byte was sent
    │  └─ MissingExtra (ImportError)             an optional dependency is not installed
    ├─ CredentialError                           no token could be had; nothing was sent
    ├─ PolicyError                               refused by a policy of the client's own
    │  ├─ LimitReached                           queue full, or its wait too long
    │  ├─ CircuitOpen                            the host has failed too often lately
    │  ├─ EgressDenied (PermissionError)         data would go where it may not
    │  ├─ AuditFailed                            the call could not be written down
    │  └─ ContentRefused                         a function of the user's said no
    ├─ TransportError                            no usable answer
    │  ├─ ConnectFailed (ConnectionError)        request not sent: always safe to retry
    │  │  └─ CertificateNotPinned                the server is not one of `Tls.pins`
    │  ├─ ConnectionLost (ConnectionError)       sent, answer unknown: safe if repeatable
    │  └─ ClientClosed (RuntimeError)            the client was closed
    ├─ DeadlineExceeded (TimeoutError)           a time budget ran out
    ├─ CallCancelled                             the stream was cancelled from elsewhere
    ├─ ResponseError                             the server said no
    │  ├─ StatusError                            an answer outside 200-299
    │  │  ├─ BadRequest                          400: fix the call
    │  │  │  ├─ CapabilityError                  the model cannot do this
    │  │  │  └─ ContextOverflow                  prompt longer than the context
    │  │  ├─ AccessDenied                        401, 403
    │  │  ├─ NotFound                            404 of anything
    │  │  │  └─ ModelNotFound                    404 of a model
    │  │  ├─ RateLimited                         429
    │  │  └─ ServerError                         500-599
    │  │     └─ ServerBusy                       503
    │  └─ StreamFailed                           an error line inside a 200 answer
    ├─ ProtocolError (ValueError)                the answer breaks the protocol
    │  └─ StreamIncomplete                       the stream ended before it was done
    ├─ ParseError (ValueError)                   structured output does not fit its type
    ├─ VerificationFailed                        a model is not what was asked for
    ├─ ApplyFailed                               not every host could be given its models
    ├─ DiskFull                                  the server's disk cannot take the model
    └─ ToolError                                 a tool the model asked for could not be run

`RequestError` and `ResponseError` are the names the `ollama` package uses; handlers
written for it keep working. The builtin bases are what a caller would guess.

Every error carries the facts of `ArrieroError`; all of them survive pickling.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Phase: TypeAlias = Literal["prepare", "queue", "connect", "send", "head", "first_token", "body"]
"""How far a call got: before sending; waiting for its turn; TCP and TLS; sending the request;
waiting for the status line; waiting for the first record of a stream; reading the rest."""


class ArrieroError(Exception):
    """Anything arriero raises on purpose.

    Attributes:
        call: Method and path, such as ``POST /api/chat``; empty if none was built.
        host: Origin the call went to, without credentials; empty if none was chosen.
        phase: How far the call got, see `Phase`.
        attempts: How often the request was sent, or tried to be; 0 if never.
        retryable: True if repeating the call cannot do harm and may help.
        partial: What arrived before the failure, accumulated like a whole answer;
            None if nothing did.
    """

    call: str = ""
    host: str = ""
    phase: Phase = "prepare"
    attempts: int = 0
    retryable: bool = False
    partial: Any = None

    def __str__(self) -> str:
        return f"{self._where}{super().__str__()}"

    @property
    def _where(self) -> str:
        """Which call, and to which host, as far as that is known."""
        parts = filter(None, (self.call, self.host and f"({self.host})"))
        where = " ".join(parts)
        return f"{where}: " if where else ""


class RequestError(ArrieroError, ValueError):
    """The call was refused before a byte was sent: an argument is wrong or missing.

    Attributes:
        error: What is wrong and what to write instead.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class MissingExtra(RequestError, ImportError):
    """A feature needs a package that is not installed; the message names the extra."""


class CredentialError(ArrieroError):
    """No token could be had for the call, which was not sent with one.

    Attributes:
        provider: Where the token should have come from: the name of the callable, the path
            of the file, or the URL of the OAuth server.
        reason: What went wrong there, without secrets. What a callable raised is the
            `__cause__`.
    """

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(provider, reason)
        self.provider = provider
        self.reason = reason

    def __str__(self) -> str:
        return f"{self._where}auth: no token from {self.provider}: {self.reason}"


class PolicyError(ArrieroError):
    """A policy that the client was configured with refused the call.

    Attributes:
        reason: Which rule, and the numbers it went by.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LimitReached(PolicyError):
    """The call found no place under `arriero.Limits`: the queue is full, its longest wait is
    over, or the call's deadline cannot be met. Nothing was sent; try again later."""

    retryable = True


class CircuitOpen(PolicyError):
    """The circuit breaker is open: this host has failed too often lately. Nothing was sent.

    Attributes:
        retry_after_s: Seconds until it lets a call through to see whether things are better.
    """

    retryable = True
    retry_after_s: float = 0.0


class EgressDenied(PolicyError, PermissionError):
    """`arriero.Egress` refuses the call: data would go where it may not.

    Nothing was sent, unless `was_sent`: then the server passed the call on to another host,
    which was only seen in its answer. What had been sent cannot be called back.

    Attributes:
        reason: What was found, and what to change to have it allowed.
        rule: Which rule it was, see `arriero.EgressDecision`.
        was_sent: True if the call had been sent before the rule could see that.
    """

    rule: str = ""
    was_sent: bool = False


class AuditFailed(PolicyError):
    """The audit log could not be written, and its ``on_failure`` is ``"closed"``.

    Raised before the call if the log was known to be broken: nothing was sent. Raised after
    it if this was the record that failed: the answer is kept from the caller, but is in
    `partial`. Make room or mend the permissions; the next call tries again by itself.
    """


class ContentRefused(PolicyError):
    """A function of `arriero.Content` refused the request, or its answer.

    `partial` of a stream is what had been let through; nothing of what was refused is here.

    Attributes:
        reason: What the function said; or that it failed, and how.
        stage: ``before``: nothing was sent. ``after``: the answer was refused.
    """

    stage: Literal["before", "after"] = "before"


class TransportError(ArrieroError):
    """The network gave no usable answer."""


class ConnectFailed(TransportError, ConnectionError):
    """No connection could be made. The request was not sent, so a retry is safe."""

    retryable = True


class CertificateNotPinned(ConnectFailed):
    """The server's certificate has none of the keys in `Tls.pins`. Nothing was sent.

    Either the server was given a new key, or somebody else answers in its place: find out
    which before adding what was seen to the pins.

    Attributes:
        seen: The pin of the certificate that was shown; ``no certificate`` if there was no
            TLS.
    """

    retryable = False

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen

    def __str__(self) -> str:
        return f"{self._where}the server shows {self.seen}, which is not in Tls.pins"


class ConnectionLost(TransportError, ConnectionError):
    """The connection broke after the request was sent; whether it ran is unknown."""


class ClientClosed(TransportError, RuntimeError):
    """The client was closed before or during the call."""


class DeadlineExceeded(ArrieroError, TimeoutError):
    """A time budget of `arriero.Timeouts` ran out.

    Attributes:
        budget: Which one: ``connect_s``, ``first_token_s``, ``idle_s`` or ``total_s``.
        limit_s: Its value in seconds.
        reason: What was waited for, in words; empty if nobody knows.
    """

    reason: str = ""

    def __init__(self, budget: str, limit_s: float) -> None:
        super().__init__(budget, limit_s)
        self.budget = budget
        self.limit_s = limit_s

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self._where}{self.budget}={self.limit_s:g} ran out in phase {self.phase!r}{why}"


class CallCancelled(ArrieroError):
    """`cancel()` was called on the stream, from another thread or task."""


class ResponseError(ArrieroError):
    """The server answered, and the answer is an error.

    Attributes:
        error: The server's own text, unwrapped from its JSON.
        status_code: HTTP status; -1 for an error inside a stream, where the wire
            carries none.
        status: The same number.
        headers: Response headers, lower-case names; empty for an error in a stream.
        body: The whole error body, decoded if it was JSON, else text.
        detail_type: The inference engine's own error type, such as
            ``exceed_context_size_error``; None if it gave none.
        signin_url: Where to sign in, if a 401 named a place.
        retry_after_s: Seconds to wait, if the answer named them.
    """

    headers: dict[str, str]
    body: object = None
    detail_type: str | None = None
    signin_url: str | None = None
    retry_after_s: float | None = None

    def __init__(self, error: str, status_code: int = -1) -> None:
        super().__init__(error, status_code)
        self.error = error
        self.status_code = status_code
        self.headers = {}

    @property
    def status(self) -> int:
        """The HTTP status, as `status_code`."""
        return self.status_code

    def __str__(self) -> str:
        # Word for word what the `ollama` package prints: logs are matched on it.
        return f"{self.error} (status code: {self.status_code})"


class StatusError(ResponseError):
    """The server answered outside 200-299."""


class BadRequest(StatusError):
    """400: the request is wrong; repeating it changes nothing."""


class CapabilityError(BadRequest):
    """The model cannot do what was asked: chat, tools, thinking, insert or images."""


class ContextOverflow(BadRequest):
    """The prompt is longer than the model's context; shorten it or raise ``num_ctx``."""


class AccessDenied(StatusError):
    """401 or 403: not signed in, not allowed, or refused by the server's host guard."""


class NotFound(StatusError):
    """404: there is no such thing on this server."""


class ModelNotFound(NotFound):
    """404 of a model: pull it first, or mend the name."""


class RateLimited(StatusError):
    """429: too many requests; see `retry_after_s`."""

    retryable = True


class ServerError(StatusError):
    """500-599: the server failed."""


class ServerBusy(ServerError):
    """503: the server's queue is full; try again later."""

    retryable = True


class StreamFailed(ResponseError):
    """The server reported an error inside an answer that had begun with status 200."""


class ProtocolError(ArrieroError, ValueError):
    """The answer breaks the protocol: no JSON, wrong types, an endless line."""


class StreamIncomplete(ProtocolError):
    """The stream ended without its last record; `partial` holds what arrived."""


class ParseError(ArrieroError, ValueError):
    """The model's text does not fit the type given as ``format``.

    Attributes:
        text: The whole text the model gave.
        reason: Where it does not fit.
        response: The response it came in.
    """

    response: Any = None

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.text = text

    def __str__(self) -> str:
        where = f"{self.call}: " if self.call else ""
        return f"{where}the answer does not fit its format: {self.reason}"


class VerificationFailed(ArrieroError):
    """A model is not what was asked for.

    Attributes:
        model: Its name.
        check: What was checked: ``digest``, ``layers``, ``show``, ``recipe``, ``smoke`` or
            ``licence``.
        reason: What was wanted, what was found, and what to do.
    """

    def __init__(self, model: str, check: str, reason: str) -> None:
        super().__init__(model, check, reason)
        self.model = model
        self.check = check
        self.reason = reason

    def __str__(self) -> str:
        return f"model {self.model!r} fails its {self.check} check: {self.reason}"


class ApplyFailed(ArrieroError):
    """Not every host could be given its models; where it failed, the old ones go on serving.

    Attributes:
        report: What became of each host: an `arriero.lifecycle.Report`.
    """

    def __init__(self, reason: str, report: Any = None) -> None:
        super().__init__(reason, report)
        self.reason = reason
        self.report = report

    def __str__(self) -> str:
        return self.reason


class DiskFull(ArrieroError):
    """The server's disk cannot take the model. What was downloaded stays for the next try.

    Attributes:
        model: Its name.
        missing_bytes: How much more has to be free, at least; None if nobody can tell.
    """

    def __init__(self, model: str, missing_bytes: int | None) -> None:
        super().__init__(model, missing_bytes)
        self.model = model
        self.missing_bytes = missing_bytes

    def __str__(self) -> str:
        where = f" of {self.host}" if self.host else ""
        missing = "" if self.missing_bytes is None else f" at least {self.missing_bytes:,} bytes"
        return (
            f"the disk{where} is full while pulling {self.model!r}: free{missing or ' space'}"
            " there, or set OLLAMA_MODELS of the server to a larger disk, then pull again"
        )


class ToolError(ArrieroError):
    """A tool call could not be run: unknown name, wrong arguments, or the function raised.

    The text is written for the model: sent back to it, it can mend its call. What the
    function raised is the `__cause__`.

    Attributes:
        tool: The name the model called.
        reason: What went wrong.
    """

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(tool, reason)
        self.tool = tool
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.tool}: {self.reason}"
