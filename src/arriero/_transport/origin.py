"""Where connections lead."""

from __future__ import annotations

import base64
import dataclasses
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from arriero.errors import RequestError

_NOT_IN_HOST = re.compile(r"[\s\[\]\\^`{|}<>\"']")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads."""

    is_tls: bool
    host: str
    """Name or address, IPv6 without brackets."""
    port: int

    @property
    def url(self) -> str:
        """As a URL without path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """What requests go through."""

    origin: Origin
    authorization: str | None = dataclasses.field(repr=False)
    """Value of the ``Proxy-Authorization`` header."""

    @classmethod
    def from_url(cls, url: str) -> Proxy:
        """Read ``http://user:password@host:port``.

        Raises:
            RequestError: it is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as cause:
            raise RequestError(f"proxy: not a URL ({cause})") from cause
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host or _NOT_IN_HOST.search(host):
            raise RequestError("proxy takes a URL such as http://user:password@host:3128")
        is_tls = parts.scheme == "https"
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(Origin(is_tls, host, port or (443 if is_tls else 80)), authorization)
