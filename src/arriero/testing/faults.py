"""What can go wrong between a server and its client.

Every class is one way an answer can be spoiled; give an instance to `fault()` of a server.
Faults that refuse connections are no answers: see `refusing()` of a server.

``after`` counts the records of a stream that arrive unharmed. A stream that is shorter is
spoiled at its end; an answer in one piece is spoiled in its middle whatever ``after`` says.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .outlet import Headers, Outlet

_TEXTS = {
    429: "too many requests",
    500: "model runner has unexpectedly stopped, this may be due to resource limitations or an"
    " internal error, check ollama server logs for details",
    502: "bad gateway",
    503: "server busy, please try again.  maximum pending requests exceeded",
}
"""What Ollama says with a status; 429 and 502 come from what stands in front of it."""

_TICK_S = 0.06
"""Between two progress records of Ollama."""


class Fault:
    """A way to spoil an answer; on its own it does nothing.

    Subclasses override what they need.
    """

    __slots__ = ()

    path: ClassVar[str | None] = None
    """The only path it makes sense for; None is any."""

    @property
    def strikes_after(self) -> int | None:
        """Records of a stream before `strike` is called; None never calls it."""
        return None

    def strikes_at(self, line: bytes) -> bool:
        """Tell whether `strike` is called for a line, wherever it stands."""
        return False

    async def before(self, outlet: Outlet) -> bool:
        """Do something before the server answers; False if it need not any more."""
        return True

    def headers(self, headers: Headers) -> Headers:
        """Give the headers of the answer."""
        return headers

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Do something in place of sending a line; b"" at the end of a short stream."""
        await outlet.write(line)

    def __str__(self) -> str:
        """Its name, for messages."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """The connection is reset before the first byte of the answer."""

    async def before(self, outlet: Outlet) -> bool:
        """Reset it."""
        outlet.reset()
        return False


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """The request is read and never answered; the connection stays open.

    So it looks to a client when the machine at the other end has vanished.
    """

    async def before(self, outlet: Outlet) -> bool:
        """Wait for the client to give up."""
        await outlet.pause(None)
        return False


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    """Nothing comes for a while, neither head nor first record; then all is well.

    Attributes:
        seconds: How long.
    """

    seconds: float = 1.0

    async def before(self, outlet: Outlet) -> bool:
        """Wait."""
        await outlet.pause(self.seconds)
        return not outlet.gone.is_set()


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """The answer is an error.

    Attributes:
        status: HTTP status.
        text: What it says; None takes what Ollama says.
        retry_after_s: Value of ``Retry-After``; None sends none, as Ollama itself.
    """

    status: int = 503
    text: str | None = None
    retry_after_s: float | None = None

    async def before(self, outlet: Outlet) -> bool:
        """Answer."""
        text = _TEXTS.get(self.status, "error") if self.text is None else self.text
        headers = [("content-type", "application/json; charset=utf-8")]
        if self.retry_after_s is not None:
            headers.append(("retry-after", f"{self.retry_after_s:g}"))
        await outlet.reply(self.status, headers, json.dumps({"error": text}).encode())
        return False

    def __str__(self) -> str:
        """Its name and status."""
        return f"Status({self.status})"


@dataclass(frozen=True, slots=True)
class StreamFault(Fault):
    """What these faults have in common; on its own it does nothing.

    Attributes:
        after: Records that come before.
    """

    after: int = 0

    @property
    def strikes_after(self) -> int:
        """As many as `after`."""
        return self.after

    def __str__(self) -> str:
        """Its name and place."""
        return f"{type(self).__name__}(after={self.after})"


@dataclass(frozen=True, slots=True)
class Stall(StreamFault):
    """The answer stands still; the connection stays open.

    Attributes:
        after: Records that come before.
        mid_line: Half of the next record comes as well.
        for_s: How long it stands still; None is for good.
    """

    mid_line: bool = False
    for_s: float | None = None

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Stand still, then go on."""
        sent = len(line) // 2 if self.mid_line else 0
        await outlet.write(line[:sent])
        await outlet.pause(self.for_s)
        await outlet.write(line[sent:])


@dataclass(frozen=True, slots=True)
class Cut(StreamFault):
    """The answer breaks off.

    Attributes:
        after: Records that come before.
        mid_line: Half of the next record comes as well.
        how: ``close`` closes the connection, ``reset`` breaks it, and ``end`` ends the
            answer as if it were whole, so that only its contents tell.
    """

    mid_line: bool = True
    how: Literal["close", "reset", "end"] = "close"

    def headers(self, headers: Headers) -> Headers:
        """A promised length would give the end away."""
        return _without_length(headers) if self.how == "end" else headers

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Break off."""
        await outlet.write(line[: len(line) // 2] if self.mid_line else b"")
        if self.how == "end":
            await outlet.end()
            outlet.drop()
        elif self.how == "close":
            outlet.close()
        else:
            outlet.reset()


@dataclass(frozen=True, slots=True)
class Garbage(StreamFault):
    """A line that is no JSON comes in between; an answer in one piece is replaced by it.

    Attributes:
        after: Records that come before.
        text: The line.
    """

    text: str = "<html>502 Bad Gateway</html>"

    def headers(self, headers: Headers) -> Headers:
        """The length is another."""
        return _without_length(headers)

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Put it in."""
        await outlet.write(f"{self.text}\n".encode() + (line if outlet.is_stream else b""))


@dataclass(frozen=True, slots=True)
class ErrorLine(StreamFault):
    """The stream ends with an error in it; the status has been 200.

    Attributes:
        after: Records that come before.
        text: What it says.
    """

    text: str = "an error was encountered while running the model: unexpected EOF"

    def headers(self, headers: Headers) -> Headers:
        """The length is another."""
        return _without_length(headers)

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Say it and end."""
        await outlet.write(json.dumps({"error": self.text}).encode() + b"\n")
        await outlet.end()
        outlet.drop()


@dataclass(frozen=True, slots=True)
class WrongType(Fault):
    """The answer is labelled as something else, or is something else.

    Attributes:
        content_type: The label; "" sends none.
        body: Sent with status 200 instead of the answer, like a page to sign in; None leaves
            the answer as it is.
    """

    SIGN_IN: ClassVar[str] = "<!doctype html><title>Sign in</title><form></form>\n"
    """A page such as comes between in a network for guests."""

    content_type: str = "text/html; charset=utf-8"
    body: str | None = None

    async def before(self, outlet: Outlet) -> bool:
        """Answer, if there is something to answer with."""
        if self.body is None:
            return True
        await outlet.reply(200, [("content-type", self.content_type)], self.body.encode())
        return False

    def headers(self, headers: Headers) -> Headers:
        """Label it."""
        others = [(name, value) for name, value in headers if name.lower() != "content-type"]
        return [*others, ("content-type", self.content_type)]


@dataclass(frozen=True, slots=True)
class PullStuck(StreamFault):
    """A pull gets no further: the same record comes again and again, as from Ollama.

    Of a pull that does not stream, nothing comes.

    Attributes:
        after: Records that come before.
        for_s: How long it is stuck; None is for good.
    """

    path: ClassVar[str | None] = "/api/pull"

    after: int = 3
    for_s: float | None = None

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Say the same again, until it goes on or nobody listens."""
        left_s = math.inf if self.for_s is None else self.for_s
        while left_s > 0 and not outlet.gone.is_set():
            if outlet.is_stream:
                await outlet.write(line)
            await outlet.pause(min(_TICK_S, left_s))
            left_s -= _TICK_S
        await outlet.write(line)


@dataclass(frozen=True, slots=True)
class PullCorrupted(Fault):
    """What a pull fetched is not what it should be: it ends with Ollama's words for that.

    The model does not appear.
    """

    path: ClassVar[str | None] = "/api/pull"

    async def before(self, outlet: Outlet) -> bool:
        """Refuse at once where there is no stream to fail in."""
        if outlet.request.json is not None and outlet.request.json.get("stream") is False:
            body = _mismatch(outlet.request.model)
            await outlet.reply(500, [("content-type", "application/json")], body)
            return False
        return True

    def strikes_at(self, line: bytes) -> bool:
        """When all is fetched and looked at."""
        return b'"verifying' in line

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Say it and end."""
        await outlet.write(line)
        await outlet.write(_mismatch(outlet.request.model) + b"\n")
        await outlet.stop()


@dataclass(frozen=True, slots=True)
class DigestDrift(Fault):
    """The list of models has other digests than before, as when tags have moved.

    Attributes:
        model: Only the digest of this model, by its whole name; None changes all.
        digest: The new digest, 64 hex digits; None makes one of the old.
    """

    path: ClassVar[str | None] = "/api/tags"

    model: str | None = None
    digest: str | None = None

    @property
    def strikes_after(self) -> int:
        """The list is in one piece."""
        return 0

    def headers(self, headers: Headers) -> Headers:
        """The length may be another."""
        return _without_length(headers)

    async def strike(self, outlet: Outlet, line: bytes) -> None:
        """Change them."""
        listed: Any = json.loads(line)
        models: list[dict[str, Any]] = listed.get("models", [])
        for one in models:
            if self.model in (None, one["name"]):
                one["digest"] = self.digest or _sha256(f"drift {one['digest']}")
        await outlet.write(json.dumps(listed).encode())


def _mismatch(model: str) -> bytes:
    want, got = _sha256(f"whole {model}"), _sha256(f"corrupted {model}")
    text = f"digest mismatch, file must be downloaded again: want sha256:{want}, got sha256:{got}"
    return json.dumps({"error": text}).encode()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without_length(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]
