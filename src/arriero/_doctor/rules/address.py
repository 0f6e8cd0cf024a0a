"""Before anything is sent: the host as it was written, proxies, credentials."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterator, Mapping

from arriero._core.api.service import CLOUD
from arriero._core.host import Base, is_loopback, is_near, parse_host, without_credentials
from arriero._core.proxy import proxy_named
from arriero._doctor.rules.findings import Finding
from arriero._doctor.rules.seen import Subject
from arriero.errors import RequestError

_SCHEME = re.compile(r"h[htps]{2,6}(?::/{0,3}|/{2,3})(?=[^/:])", re.IGNORECASE)
_PORT = re.compile(r"\s*[:;,\s]\s*(?=\d{1,5}(?:/|$))")
_API_PATH = re.compile(r"/(?:api|v1)(?:/.*)?$")
_BARE_IP6_AND_PORT = re.compile(r"(?P<host>.+):(?P<port>\d{4})")
_OTHER_NAMES = (
    "OLLAMA_API_BASE",
    "OLLAMA_API_URL",
    "OLLAMA_BASE_URL",
    "OLLAMA_BASEURL",
    "OLLAMA_ENDPOINT",
    "OLLAMA_SERVER",
    "OLLAMA_URL",
)


def unreadable_host(given: str, error: RequestError) -> Finding:
    """Tell that a host cannot be read, and what may have been meant."""
    guess = guess_of(given)
    remedy = f"did you mean {guess}?" if guess else "write host, host:port or http://host:port"
    return Finding("host", "error", str(error), remedy)


def guess_of(given: str) -> str:
    """Give what a host with a slip of the pen may have meant; empty if there is no telling."""
    text = _PORT.sub(":", given.strip().strip("\"'").strip())
    text = re.sub(r"\s+", "", text).replace("\\", "/")
    found = _SCHEME.match(text)
    if found:
        scheme = "https" if "s" in found[0].lower() else "http"
        text = f"{scheme}://{text[found.end() :]}"
    try:
        guess, read = parse_host(text), _read(given)
    except RequestError:
        return ""
    return "" if read is not None and read.url == guess.url else guess.url


def _read(given: str) -> Base | None:
    try:
        return parse_host(given)
    except RequestError:
        return None


def host_findings(subject: Subject) -> Iterator[Finding]:
    """Tell where calls go, and what is odd about how that was written."""
    url, given = subject.base.url, subject.given.strip()
    where = f" (from {subject.source})" if subject.source else " (the default)"
    yield Finding("host", "ok", f"calls go to {url}{where}")
    if not given:
        yield from _other_variables(subject.environ)
        return
    guess = guess_of(given)
    if guess:
        shown = without_credentials(given)
        yield Finding("host", "warning", f"{shown!r} looks mistyped", f"did you mean {guess}?")
    elif subject.given != subject.given.strip().strip("\"'"):
        yield Finding(
            "host",
            "note",
            "the value has blanks or quotes around it: arriero drops them, other clients do not",
            f"write {url}",
        )
    yield from _surprises(given.strip("\"'"), subject.base)


def _surprises(given: str, base: Base) -> Iterator[Finding]:
    if _API_PATH.search(base.path):
        yield Finding(
            "host",
            "warning",
            f"the path {base.path} is put before that of every call, such as {base.path}/api/chat",
            f"write {base.origin + _API_PATH.sub('', base.path)}",
        )
    scheme, separator, rest = given.rpartition("://")
    authority = rest.partition("/")[0].rpartition("@")[2]
    if _is_wildcard(authority):
        yield Finding(
            "host",
            "note",
            f"{authority} is an address to listen on, not to call: calls go to {base.origin}",
            "give clients a value of their own, since other clients may call it as it is",
        )
    is_port_80 = base.origin.endswith(":80") and not authority.endswith(":80")
    if separator and scheme.lower() == "http" and is_port_80:
        yield Finding(
            "host",
            "note",
            "a URL without a port means port 80; Ollama listens on 11434",
            f"write {base.origin.removesuffix('80')}11434 if that is meant",
        )
    found = _BARE_IP6_AND_PORT.fullmatch(authority)
    if found and _is_ip6(authority) and _is_ip6(found["host"]):
        yield Finding(
            "host",
            "warning",
            f"{authority} is read as an address without a port",
            f"if {found['port']} is the port, write [{found['host']}]:{found['port']}",
        )


def _is_wildcard(authority: str) -> bool:
    host = authority if _is_ip6(authority) else re.sub(r":\d*$", "", authority)
    if not host:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _other_variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of variables that somebody may have taken for OLLAMA_HOST."""
    near = set(difflib.get_close_matches("OLLAMA_HOST", environ, 5, 0.85))
    for name in sorted(near | (set(_OTHER_NAMES) & environ.keys())):
        if name != "OLLAMA_HOST" and environ[name]:
            yield Finding(
                "host",
                "warning",
                f"{name} is set, but clients read OLLAMA_HOST, which is not",
                "set OLLAMA_HOST, or pass the host",
            )


def proxy_findings(subject: Subject) -> Iterator[Finding]:
    """Tell which proxy calls take, and who would take another way."""
    url = subject.base.url
    if subject.proxy is not None:
        shown = without_credentials(subject.proxy)
        yield Finding(
            "proxy",
            "note",
            f"calls go through the proxy {shown}",
            "if it cannot reach the server, put the server's name into NO_PROXY",
        )
        return
    host = url.partition("://")[2].partition("/")[0]
    try:
        named = proxy_named(url, subject.environ)
    except RequestError:
        named = "a SOCKS proxy"
    if named is None or not is_near(url):
        yield Finding("proxy", "ok", "none is used")
        return
    name = host.strip("[]") if host.endswith("]") else host.rpartition(":")[0].strip("[]")
    yield Finding(
        "proxy",
        "note",
        f"a proxy is set and NO_PROXY does not cover {name}: arriero connects directly,"
        " other programs would ask the proxy for this server",
        f"add {name} to NO_PROXY",
    )


def credential_findings(subject: Subject) -> Iterator[Finding]:
    """Tell who could read what calls carry, and which key goes nowhere."""
    url = subject.base.url
    is_home = subject.base.origin == CLOUD.origin
    if subject.has_credentials and url.startswith("http:") and not is_loopback(url):
        yield Finding(
            "credentials",
            "warning" if is_near(url) else "error",
            f"they would travel in clear text to {subject.base.origin}: everybody on the way can"
            " read them",
            "put TLS before the server and write https://",
        )
    if subject.environ.get("OLLAMA_API_KEY") and not is_home and not subject.has_credentials:
        yield Finding(
            "credentials",
            "note",
            "OLLAMA_API_KEY is set; it goes to ollama.com only, not to this host",
            "if this host wants a token, pass auth=",
        )
    if is_home and not subject.has_credentials:
        yield Finding(
            "credentials",
            "warning",
            "ollama.com answers no questions without a key",
            "set OLLAMA_API_KEY",
        )
