"""Paths and methods, refused and redirected as Go's mux and gin do.

Source: Go 1.26 net/http ServeMux; gin 1.10 redirectTrailingSlash.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .exchange import Exchange, Handler, Receive, Scope, Send, Work


@dataclass(frozen=True, slots=True)
class Route:
    """A path, its methods and what answers them.

    Attributes:
        methods: In the order the `Allow` header lists them.
        path: With ``{name}`` for a part up to the next slash.
        handler: What answers; finds the parts in `Exchange.parts`.
        in_pieces: Whether it reads the body itself, piece by piece.
    """

    methods: tuple[str, ...]
    path: str
    handler: Handler
    in_pieces: bool = False


@dataclass(slots=True)
class Router:
    """Finds the route of a request and runs it."""

    work: Work
    _fixed: dict[str, Route] = field(default_factory=dict[str, Route])
    _patterns: list[tuple[re.Pattern[str], Route]] = field(
        default_factory=list[tuple[re.Pattern[str], Route]]
    )

    def add(self, routes: Iterable[Route]) -> None:
        """Make routes known."""
        for route in routes:
            if "{" in route.path:
                text = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)
                self._patterns.append((re.compile(text), route))
            else:
                self._fixed[route.path] = route

    def find(self, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route of a path and its named parts, or None."""
        if route := self._fixed.get(path):
            return route, {}
        for pattern, route in self._patterns:
            if match := pattern.fullmatch(path):
                return route, match.groupdict()
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, path = str(scope["method"]), str(scope["path"])
        clean = _clean(path)
        if clean != path:
            await _redirect(scope, send, 307, clean)
            return
        found = self.find(path)
        if found is None:
            shorter = path.removesuffix("/")
            if shorter != path and self.find(shorter):
                await _redirect(scope, send, 301 if method == "GET" else 307, shorter)
            else:
                await _plain(scope, send, 404, "404 page not found")
            return
        route, parts = found
        if method not in route.methods:
            allow = (("Allow", ", ".join(route.methods)),)
            await _plain(scope, send, 405, "405 method not allowed", allow)
            return
        await self.work.run(route.handler, scope, receive, send, parts, in_pieces=route.in_pieces)


def _clean(path: str) -> str:
    if path in ("", "/"):
        return "/"
    # posixpath keeps two leading slashes apart; Go does not.
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


async def _redirect(scope: Scope, send: Send, status: int, path: str) -> None:
    exchange = Exchange(scope, b"", send)
    phrase = "Moved Permanently" if status == 301 else "Temporary Redirect"
    is_page = scope["method"] in ("GET", "HEAD")
    page = f'<a href="{path}">{phrase}</a>.\n\n' if is_page else ""
    kind = "text/html; charset=utf-8" if is_page else ""
    await exchange.reply_bytes(page.encode(), status, kind, (("Location", path),))


async def _plain(
    scope: Scope, send: Send, status: int, text: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    exchange = Exchange(scope, b"", send)
    await exchange.reply_bytes(text.encode(), status, "text/plain", headers)
