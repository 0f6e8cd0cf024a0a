"""The recorded exchanges, as values."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("corpus")
COUNT = 446
"""How many there are: none may be lost on the way."""


@dataclass(frozen=True)
class Case:
    """One exchange with a real server."""

    name: str

    @cached_property
    def request(self) -> dict[str, Any]:
        """What was sent."""
        found: dict[str, Any] = json.loads((CORPUS / f"{self.name}.request.json").read_text())
        return found

    @cached_property
    def response(self) -> dict[str, Any]:
        """What came back."""
        found: dict[str, Any] = json.loads((CORPUS / f"{self.name}.response.json").read_text())
        return found

    @property
    def method(self) -> str:
        """Of the request."""
        return str(self.request["method"])

    @property
    def path(self) -> str:
        """Of the request."""
        return str(self.request["path"])

    @property
    def status(self) -> int:
        """Of the answer."""
        return int(self.response["status"])

    @property
    def body(self) -> Any:
        """JSON value of the request; None if its body was none."""
        return self.request.get("body")

    @property
    def content(self) -> bytes | None:
        """Bytes of a request whose body was not made from JSON."""
        if "body_text" in self.request:
            return str(self.request["body_text"]).encode()
        if "body_base64" in self.request:
            return base64.b64decode(self.request["body_base64"])
        return None

    @property
    def own_headers(self) -> dict[str, str]:
        """Headers of the request that are not about its framing."""
        dull = {"content-length", "content-type"}
        return {name: value for name, value in self.request["headers"] if name.lower() not in dull}

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer, lower-case names."""
        return {name.lower(): value for name, value in self.response["headers"]}

    @property
    def lines(self) -> list[str] | None:
        """Lines of a streamed answer; None if it was no stream."""
        return self.response.get("lines")

    @property
    def pieces(self) -> list[bytes]:
        """The body as it arrived: a stream line by line."""
        if self.lines is not None:
            return [line.encode() + b"\n" for line in self.lines]
        whole = self.response.get("body", "").encode()
        return [whole] if whole else []

    @property
    def ended(self) -> str:
        """``clean``, or who closed the connection."""
        return str(self.response["ended"])

    @property
    def answer(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


def cases() -> Iterator[Case]:
    """Give every case, in the order of recording."""
    for entry in json.loads((CORPUS / "index.json").read_text())["cases"]:
        yield Case(entry["case"])


ALL = {case.name: case for case in cases()}
