"""Answer in the words of another API what an endpoint of the server's own says.

Source: Ollama v0.33.0-rc2, middleware/openai.go, middleware/anthropic.go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .. import gojson
from ..bodies import RequestRefused
from ..exchange import JSON, JSON_STREAM_ERROR, Exchange, Refused
from ..inference import House

Endpoint: TypeAlias = Callable[[House, Exchange], Awaitable[None]]

_JSON = JSON_STREAM_ERROR
"""What the façades call JSON that an endpoint behind them wrote: no charset."""

_SSE = "text/event-stream"
_FIXED_BYTES = 2048
"""Go's server sends longer bodies chunked, without a length."""

NO_CLOUD_SEARCH = "ollama cloud is disabled: web search is unavailable"


@dataclass(slots=True)
class Facade(Exchange, ABC):
    """An exchange whose records are translated on their way out.

    Attributes:
        stream: Whether the client wants events.
        translated: Whether the request has been understood; what is refused before that
            looks slightly different on the wire.
    """

    stream: bool = False
    translated: bool = False

    @abstractmethod
    def whole(self, record: Mapping[str, Any]) -> Any:
        """Translate an answer that is one value."""

    @abstractmethod
    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        """Translate a record of a stream to framed events."""

    @abstractmethod
    def refusal(self, status: int, text: str) -> Any:
        """Say what was wrong, as one value."""

    @abstractmethod
    def breaking_event(self, text: str) -> bytes:
        """Say inside a stream what went wrong, framed."""

    @property
    def stream_headers(self) -> Sequence[tuple[str, str]]:
        """Headers of a stream besides its type."""
        return ()

    async def reply(self, value: Any, status: int = 200, content_type: str = JSON) -> None:
        """Answer with one value, translated; a stream carries it as its only record."""
        if status != 200:
            await self._refuse(status, str(value["error"]))
        elif self.stream:
            await self.write(value)
            await self.end()
        else:
            await self._send_json(gojson.encode(self.whole(value)) + b"\n", 200, _JSON)

    async def write(self, value: Any) -> None:
        """Send the events of one record at once."""
        if not self.started:
            await self._start(200, [*self.stream_headers, ("content-type", _SSE)])
        broken = value.get("error")
        data = self.breaking_event(broken) if broken else b"".join(self.events(value))
        if data:
            await self._body(data, last=False)

    async def fail(self, status: int, text: str) -> None:
        """Answer with an error, or end a stream with one."""
        if self.finished:
            return
        if self.started:
            await self.write({"error": text})
            await self.end()
        else:
            await self._refuse(status, text)

    async def _refuse(self, status: int, text: str) -> None:
        data = gojson.encode(self.refusal(status, text))
        if self.translated:
            await self._send_json(data + b"\n", status, _JSON)
        else:
            await self._send_json(data, status, JSON)

    async def _send_json(self, data: bytes, status: int, content_type: str) -> None:
        headers = [("content-type", content_type)]
        if len(data) <= _FIXED_BYTES:
            headers.append(("content-length", str(len(data))))
        await self._start(status, headers)
        await self._body(data, last=True)


@dataclass(slots=True)
class OpenAi(Facade):
    """The parts all of OpenAI's routes share."""

    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        """Only for routes that stream."""
        return ()

    def refusal(self, status: int, text: str) -> Any:
        """OpenAI's error object."""
        kinds = {400: "invalid_request_error", 404: "not_found_error"}
        kind = kinds.get(status, "api_error")
        return {"error": {"message": text, "type": kind, "param": None, "code": None}}

    def breaking_event(self, text: str) -> bytes:
        """Ollama loses the text here; OpenAI's own clients raise it."""
        return frame(self.refusal(500, text))


def frame(value: Any, event: str = "") -> bytes:
    """One event as it goes over the wire."""
    head = f"event: {event}\n".encode() if event else b""
    return b"%bdata: %b\n\n" % (head, gojson.encode(value))


def read_request(exchange: Exchange, facade: Facade, read: Callable[[bytes], Any]) -> Any:
    """Let the façade speak from now on, and read the body. Raises `Refused`."""
    exchange.speaker = facade
    headers: Mapping[bytes, bytes] = dict(exchange.scope["headers"])
    if headers.get(b"content-encoding", b"").lower() == b"zstd":
        raise Refused(400, "this server does not decode zstd; send the body as it is")
    if not exchange.body.strip():
        raise Refused(400, "EOF")
    try:
        return read(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error


async def forward(house: House, facade: Facade, body: Mapping[str, Any], to: Endpoint) -> None:
    """Have the server's own endpoint answer the translated request. Raises `Refused`."""
    facade.body = gojson.encode(body)
    facade.translated = True
    await to(house, facade)


def go_number(value: float) -> float:
    """A number as Go prints it: without a fraction if it has none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def go_type(value: Any) -> str:
    """The name Go has for the type of a decoded value."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "float64"
    if isinstance(value, str):
        return "string"
    return "map[string]interface {}" if gojson.is_object(value) else "[]interface {}"
