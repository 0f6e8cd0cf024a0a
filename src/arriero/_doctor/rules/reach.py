"""On the way: names, connections, TLS, and what answers."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from arriero._core.host import DEFAULT_PORT, is_loopback, origin_of
from arriero._doctor.rules.findings import Finding
from arriero._doctor.rules.seen import Handshake, Knock, Names, Reply, Subject
from arriero.errors import (
    AccessDenied,
    ConnectFailed,
    DeadlineExceeded,
    NotFound,
    ProtocolError,
    ServerError,
)

_SLOW_NAME_S = 1.0
"""A name that takes longer makes every new connection slow."""
_SOON_S = 14 * 86400.0
"""Certificates are renewed a month before their end; one that has two weeks left was not."""
_DAY_S = 86400.0

_CERTIFICATE = {
    9: ("is not valid yet", "correct this machine's clock, or wait"),
    10: ("has expired", "renew it on the server, or correct this machine's clock"),
    18: ("is signed by itself", "trust it: Tls(ca='server.pem'), or SSL_CERT_FILE=server.pem"),
    19: (
        "comes from an authority this machine does not know",
        "trust the authority: Tls(ca='ca.pem'), or SSL_CERT_FILE=ca.pem",
    ),
    20: (
        "comes from an authority this machine does not know, or the server does not send the"
        " certificates between",
        "trust the authority: Tls(ca='ca.pem'), or SSL_CERT_FILE=ca.pem; or have the server send"
        " its whole chain",
    ),
    62: ("is for another name", "write the name that is in the certificate"),
    64: ("is for another address", "write the name or address that is in the certificate"),
}
"""OpenSSL's verify codes: what is wrong with a certificate, and what helps."""


def name_findings(host: str, names: Names) -> Iterator[Finding]:
    """Tell what a host name resolves to; nothing about addresses."""
    if _is_address(host):
        return
    if names.error:
        yield Finding("name", "error", f"{host}: {names.error}", _remedy_of_name(host))
        return
    if names.spent_s > _SLOW_NAME_S:
        yield Finding(
            "name",
            "warning",
            f"looking up {host} took {names.spent_s:.1f} s, and so may every new connection",
            "check the name servers of this machine, or write the address",
        )
    yield Finding("name", "ok", f"{host} is {', '.join(names.addresses)}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _remedy_of_name(host: str) -> str:
    if host == "host.docker.internal":
        return (
            "it exists in containers only; on Linux start them with"
            " --add-host=host.docker.internal:host-gateway"
        )
    near = difflib.get_close_matches(host, ["localhost", "host.docker.internal"], 1, 0.7)
    if near:
        return f"did you mean {near[0]}?"
    if "." not in host:
        return (
            "names without a dot are known in their own network only, such as services of"
            " Docker Compose or Kubernetes; check the spelling, or write the full name"
        )
    return "check the spelling, and the name servers of this machine"


def connection_findings(
    subject: Subject, host: str, port: int, knocks: Sequence[Knock], *, is_elsewhere: bool
) -> Iterator[Finding]:
    """Tell which addresses of a host accept connections.

    Args:
        subject: What is examined.
        host: Name or address.
        port: The port that was tried.
        knocks: Attempts, in the order in which a client makes them.
        is_elsewhere: True if Ollama's usual port accepts where `port` does not.
    """
    opened = [one for one in knocks if not one.failure]
    if not opened:
        yield from _closed(subject, host, port, knocks, is_elsewhere=is_elsewhere)
        return
    first = opened[0]
    vain = [one.address for one in knocks[: knocks.index(first)]]
    if vain:
        yield Finding(
            "connection",
            "warning",
            f"{host} means {', '.join(vain)} first, where nothing listens on {port}: every new"
            " connection tries that in vain",
            f"write {first.address} instead of {host}",
        )
    where = f"[{first.address}]" if ":" in first.address else first.address
    yield Finding(
        "connection", "ok", f"{where}:{port} accepts, after {first.spent_s * 1000:.1f} ms"
    )


def _closed(
    subject: Subject, host: str, port: int, knocks: Sequence[Knock], *, is_elsewhere: bool
) -> Iterator[Finding]:
    reasons = "; ".join(dict.fromkeys(one.reason for one in knocks)) or "no address"
    kinds = {one.failure for one in knocks}
    url = subject.base.url
    if is_elsewhere:
        remedy = f"port {DEFAULT_PORT} accepts there: write {host}:{DEFAULT_PORT}"
    elif kinds == {"refused"} and is_loopback(url):
        remedy = "start 'ollama serve' or 'arriero serve'"
        if subject.in_container:
            remedy += (
                "; in a container this is the container itself: the machine around it is"
                " host.docker.internal"
            )
    elif "refused" in kinds:
        remedy = (
            "start Ollama there; it listens on loopback only, unless OLLAMA_HOST=0.0.0.0 is set"
            " where it runs"
        )
    elif "timeout" in kinds:
        remedy = "nothing came back: check address, port, and firewalls on the way"
    else:
        remedy = "check address and network"
    yield Finding("connection", "error", f"{host}:{port}: {reasons}", remedy)


def tls_findings(
    subject: Subject, host: str, handshake: Handshake, now_s: float
) -> Iterator[Finding]:
    """Tell how TLS went, where the URL asks for it."""
    if not subject.verifies:
        yield Finding(
            "tls",
            "warning",
            "verify=False: whoever is on the way can read and change everything",
            "trust the server's authority instead: Tls(ca='ca.pem')",
        )
    if handshake.kind == "no-tls":
        plain = "http" + subject.base.url.removeprefix("https")
        yield Finding(
            "tls", "error", "the server speaks no TLS on this port", f"write {plain}, or put TLS"
            " before the server",
        )  # fmt: skip
    elif handshake.kind == "untrusted":
        what, remedy = _CERTIFICATE.get(
            handshake.verify_code, (f"is not accepted: {handshake.reason}", "see the reason")
        )
        yield Finding("tls", "error", f"the certificate of {host} {what}", remedy)
    elif handshake.kind == "failed":
        yield Finding(
            "tls", "error", f"TLS failed: {handshake.reason}", "check what listens on that port"
        )
    else:
        yield _certificate_end(handshake, now_s)


def _certificate_end(handshake: Handshake, now_s: float) -> Finding:
    if handshake.ends_s is None:
        return Finding("tls", "ok", handshake.version)
    left_s = handshake.ends_s - now_s
    days = int(left_s // _DAY_S)
    if left_s < _SOON_S:
        return Finding(
            "tls",
            "warning",
            f"the certificate ends in {days} days, and every call will then fail",
            "renew it on the server; if that is automatic, see why it did not happen",
        )
    return Finding("tls", "ok", f"{handshake.version}, certificate valid for {days} more days")


def speaks_tls(subject: Subject) -> Finding:
    """Tell that a plain URL leads to a port that wants TLS."""
    url = "https" + subject.base.url.removeprefix("http")
    return Finding("tls", "error", "the server speaks TLS on this port", f"write {url}")


def answer_findings(subject: Subject, reply: Reply) -> Iterator[Finding]:
    """Tell what answers, and whether it is Ollama."""
    if reply.error is not None:
        text, remedy = _failure(subject, reply)
        yield Finding("answer", "error", text, remedy)
        return
    wanted = origin_of(subject.base.url)
    if reply.url and origin_of(reply.url) != wanted:
        yield Finding(
            "answer",
            "note",
            f"every call is sent on to {origin_of(reply.url)}",
            "write that; credentials are not sent on",
        )
    yield Finding("answer", "ok", "what answers speaks Ollama's protocol")


def _failure(subject: Subject, reply: Reply) -> tuple[str, str]:
    error = reply.error
    server = f" (its Server header: {reply.headers['server']})" if "server" in reply.headers else ""
    if isinstance(error, AccessDenied):
        return _denied(subject, error, server)
    if isinstance(error, NotFound):
        return (
            f"what answers has no /api/version: it is no Ollama, or its path is another{server}",
            "check host, port and path",
        )
    if isinstance(error, DeadlineExceeded):
        return (
            "it accepts connections and does not answer",
            "see whether the server hangs, and whether the port is that of another program",
        )
    if isinstance(error, ServerError) and error.status_code in (502, 503, 504):
        return (
            f"a gateway answers {error.status_code}: the server behind it does not{server}",
            "see whether Ollama runs, and where the gateway looks for it",
        )
    if isinstance(error, ProtocolError):
        return f"what answers is no Ollama: {_plain(error)}", "check host, port and path"
    if isinstance(error, ConnectFailed) and subject.proxy is not None:
        return (
            f"no way through the proxy: {_plain(error)}",
            "see whether the proxy runs, or put the server's name into NO_PROXY",
        )
    return _plain(error), "see the log of the server"


def _denied(subject: Subject, error: AccessDenied, server: str) -> tuple[str, str]:
    host = urlsplit(subject.base.url).hostname or ""
    if error.status_code == 403 and not error.body and not _is_address(host):
        return (
            f"403 without a word: a server that listens on loopback refuses the name {host}",
            "call it by its address or as localhost, or set OLLAMA_HOST=0.0.0.0 where it runs",
        )
    if subject.has_credentials:
        return f"{error.status_code}: the credentials are not accepted{server}", "renew them"
    return (
        f"{error.status_code}: it wants credentials{server}",
        "pass auth=, or write https://user:password@host",
    )


def _plain(error: object) -> str:
    return " ".join(str(error).split())
