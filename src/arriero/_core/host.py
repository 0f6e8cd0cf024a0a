"""Where the server is: `OLLAMA_HOST`'s grammar, and what belongs to an origin.

Source: Ollama v0.33.0-rc2, `envconfig/config.go` Host.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

from arriero.errors import RequestError

DEFAULT_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f]")
_NOT_IN_HOST = re.compile(r"[\[\]\\^`{|}<>\"']")


@dataclass(frozen=True, slots=True)
class Base:
    """A server's base URL, taken apart."""

    origin: str
    """``scheme://host:port``, the port always there."""
    path: str = ""
    """Prefix of every path: empty, or beginning with a slash and not ending in one."""
    query: str = field(default="", repr=False)
    """Query of every request, without the question mark."""
    credentials: str | None = field(default=None, repr=False)
    """Value of an ``Authorization`` header, from ``user:password@`` in the URL."""

    @property
    def url(self) -> str:
        """Give the base URL, without credentials."""
        return self.origin + self.path

    def join(self, path: str) -> str:
        """Give the URL of `path`, which begins with a slash."""
        url = self.origin + self.path + path
        if not self.query:
            return url
        return f"{url}{'&' if '?' in path else '?'}{self.query}"


def parse_host(value: str | None) -> Base:
    """Take apart what a user wrote: ``host``, ``host:port``, ``:port`` or a whole URL.

    No scheme means http and port 11434 (``ollama.com`` alone means https); http means port
    80, https 443. Addresses a server listens on but nobody can call, such as ``0.0.0.0``,
    become loopback. Quotes and blanks around the value are dropped.

    Raises:
        RequestError: the port is no number from 0 to 65535, the scheme is not http(s) or lacks
            its ``://``, or the host is none.
    """
    text = (value or "").strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
        if rest == "ollama.com":
            scheme, rest = "https", "ollama.com:443"
        default_port = DEFAULT_PORT
    else:
        scheme = scheme.lower()
        if scheme not in _SCHEME_PORTS:
            raise RequestError(
                f"host {without_credentials(text)!r}: the scheme must be http or https"
            )
        default_port = _SCHEME_PORTS[scheme]
    rest, _, _ = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    userinfo, _, hostport = authority.rpartition("@")
    host, port = _split_port(hostport, default_port, text)
    if not separator and host.lower() in _SCHEME_PORTS:  # http:/localhost, http//localhost
        raise RequestError(f"host {without_credentials(text)!r}: write {host}://")
    if _NOT_IN_URL.search(text) or not _is_host(host):
        raise RequestError(f"host {without_credentials(text)!r}: no host name, address or URL")
    path = path.strip("/")
    return Base(
        origin=f"{scheme}://{_reachable(host)}:{port}",
        path=f"/{path}" if path else "",
        query=query,
        credentials=_basic(userinfo) if userinfo else None,
    )


def _split_port(hostport: str, default: int, text: str) -> tuple[str, int]:
    if _is_ip6(hostport):  # bare, so what follows its last colon is no port
        return hostport, default
    host, colon, port = hostport.rpartition(":")
    if not colon or hostport.endswith("]"):
        return hostport, default
    if not port:
        return host, default
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        # With user:password@ around, what looks like a port may be part of the password.
        shown = "" if "@" in text else f", not {port!r}"
        raise RequestError(
            f"host {without_credentials(text)!r}: the port must be a number from 0 to 65535{shown}"
        )
    return host, int(port)


def _is_host(host: str) -> bool:
    bare = host.strip("[]")
    if ":" in bare or bare != host:  # only addresses have colons and brackets
        return _is_ip6(bare) or _is_ip4(bare)
    return not _NOT_IN_HOST.search(bare)


def _is_ip4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _reachable(host: str) -> str:
    bare = host.strip("[]")
    if not bare:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return host.lower()  # as credentials and rules name it
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    if address.version == 4:
        return bare
    number, zone = bare.partition("%")[::2]
    return f"[{number.lower()}%{zone}]" if zone else f"[{number.lower()}]"


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    return basic_auth(unquote(user), unquote(password))


def basic_auth(user: str, password: str) -> str:
    """Give the value of an ``Authorization`` header for a user and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def without_credentials(text: str) -> str:
    """Give a URL, or what was meant to be one, without user and password."""
    scheme, separator, rest = text.partition("://") if "://" in text else ("", "", text)
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


@lru_cache(maxsize=256)
def origin_of(url: str) -> str:
    """Give ``scheme://host:port`` of an absolute URL, lower case, the port always there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = _SCHEME_PORTS.get(parts.scheme, DEFAULT_PORT) if parts.port is None else parts.port
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}".lower()


def origin_named(place: object) -> str:
    """Give the origin that a user names as the place of a credential.

    Raises:
        RequestError: it is none, or more than one.
    """
    if not isinstance(place, str) or not place.lower().startswith(("http://", "https://")):
        raise RequestError("auth: a mapping has origins as keys, such as 'https://llm.internal'")
    base = parse_host(place)
    if base.path or base.query or base.credentials:
        raise RequestError(
            f"auth: {base.origin!r} is enough of a key: an origin has no path, query or user"
        )
    return base.origin


def redirected(url: str, location: str) -> str:
    """Give the URL a redirect leads to.

    Raises:
        ValueError: it leads to something that is not http or https.
    """
    target = urljoin(url, quote(location, safe="%/:=&?~#+!$,;'@()*[]"))
    parts = urlsplit(target)
    if parts.scheme not in _SCHEME_PORTS or not parts.hostname or parts.port == 0:
        raise ValueError(f"redirect to {without_credentials(location)!r}, which is no http address")
    return parts._replace(fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_near(url: str) -> bool:
    """Tell whether `url` names this machine or a private network.

    Proxies of the environment are for the world outside: a proxy cannot reach our
    loopback, and should not see what stays in the house.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host
    return address.is_loopback or address.is_private or address.is_link_local


def is_loopback(url: str) -> bool:
    """Tell whether `url` names this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
