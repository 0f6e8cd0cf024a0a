"""What can go wrong between a server and its client.

Every class is one way an answer can be spoiled; give an instance to `fault()` of a server.
Faults that refuse connections are no answers: see `refusing()` of a server.

``after`` counts the records of a stream that arrive unharmed. A stream that is shorter is
spoiled at its end; an answer in one piece is spoiled in its middle whatever ``after`` says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from .outlet import Headers, Outlet

_TEXTS = {
    429: "too many requests",
    500: "model runner has unexpectedly stopped, this may be due to resource limitations or an"
    " internal error, check ollama server logs for details",
    502: "bad gateway",
    503: "server busy, please try again.  maximum pending requests exceeded",
}
"""What Ollama says with a status; 429 and 502 come from what stands in front of it."""


class Fault:
    """A way to spoil an answer; on its own it does nothing.

    Subclasses override what they need.
    """

    __slots__ = ()

    @property
    def strikes_after(self) -> int | None:
        """Records of a stream before `strike` is called; None never calls it."""
        return None

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


def _without_length(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]
