"""Where a client may send, as `Egress` says, and why it may not: `EgressDecision`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from arriero.errors import RequestError

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK = ("localhost", "127.0.0.0/8", "::1")
"""This machine."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Egress:
    """Where data may go: what is not listed is refused with `EgressDenied` before it is sent.

    Off unless a client is given one. An entry of `hosts` or `registries` is a name
    (``llm.internal``), all names below one (``*.gpu.internal``), an address (``10.1.2.3``,
    ``::1``) or a network (``10.0.0.0/8``); with a port it means that port alone, with
    ``https://`` before it that scheme alone. Names are compared as text and never looked up:
    a network allows literal addresses in it, not names that point there, and an allowed name
    is allowed wherever DNS says it is.
    """

    hosts: Sequence[str] = LOOPBACK
    """Servers, proxies, token servers and Redis servers that may be sent to."""
    cloud_models: bool = False
    """True allows models that ollama.com runs: names that end in ``:cloud``, or ``-cloud``
    in their tag, models the server passes on, and its account there."""
    web_tools: bool = False
    """True allows `web_search` and `web_fetch`, which ollama.com runs."""
    redirects: bool = False
    """True follows redirects to another origin if that is in `hosts`."""
    registries: Sequence[str] = ()
    """Registries that the server may be told to pull from and push to. Models without a host
    in their name are of ``registry.ollama.ai``."""
    insecure: bool = False
    """True allows registries without TLS, or with a certificate nobody checks."""
    look_up: bool = False
    """True asks the server once for each model whether it passes it on to another host (one
    `show`), before the first call that runs it. Without, that is seen in the answer: too
    late for what was sent, early enough for the next call."""

    def __post_init__(self) -> None:
        for name in ("hosts", "registries"):
            value: object = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise RequestError(f"Egress.{name} takes a list of hosts, not {value!r}")
            for text in value:  # pyright: ignore[reportUnknownVariableType]  # checked there
                parsed_rule(text, f"Egress.{name}")  # pyright: ignore[reportUnknownArgumentType]
        for name in ("cloud_models", "web_tools", "redirects", "insecure", "look_up"):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"Egress.{name} takes True or False")

    @classmethod
    def local_only(cls) -> Egress:
        """Nothing leaves this machine, as far as a client can see to it."""
        return cls(look_up=True)


@dataclass(frozen=True, slots=True)
class EgressDecision:
    """Whether a call may be sent, and why."""

    allowed: bool
    rule: str = ""
    """Which rule refuses it: ``host``, ``redirect``, ``proxy``, ``token_url``, ``cloud_model``,
    ``remote_model``, ``account``, ``web_tools``, ``registry``, ``insecure`` or ``unreadable``;
    empty if none does. ``redis`` refuses no call but the client: it is not made."""
    reason: str = ""
    """What was found."""
    remedy: str = ""
    """What to change to have it allowed; empty if it is."""


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of a list of hosts."""

    name: str = ""
    """Host name in lower case; with `below`, what comes after the asterisk, dot included."""
    below: bool = False
    network: Network | None = None
    scheme: str = ""
    port: int | None = None

    def allows(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether this rule allows an origin."""
        if (self.scheme and self.scheme != scheme) or self.port not in (None, port):
            return False
        if self.network is not None:
            address = address_of(host)
            return (
                address is not None
                and address.version == self.network.version
                and address in self.network
            )
        return host.endswith(self.name) if self.below else host == self.name


def parsed_rule(text: object, what: str) -> HostRule:
    """Take an entry of a list of hosts apart.

    Raises:
        RequestError: it is none, or would allow every host.
    """
    if not isinstance(text, str) or not text.strip():
        raise RequestError(f"{what}: a host, '*.domain', address or network, not {text!r}")
    shown, rest = text, text.strip()
    scheme, separator, after = rest.partition("://")
    if separator:
        rest = after.rstrip("/")
        if scheme.lower() not in _PORTS:
            raise RequestError(f"{what}: {shown!r} has a scheme other than http and https")
    scheme = scheme.lower() if separator else ""
    network = None if separator else _network(rest)
    if network is not None:
        return HostRule(network=network)
    if "/" in rest or "@" in rest or "?" in rest:
        raise RequestError(f"{what}: {shown!r} is no host or network; leave path and user out")
    host, port = _host_and_port(rest, shown, what)
    network = _network(host)
    if network is not None:
        return HostRule(network=network, scheme=scheme, port=port)
    below = host.startswith("*.")
    name = plain_host(host[1:] if below else host)
    if not host:
        raise RequestError(f"{what}: {shown!r} names no host")
    if "*" in name or not name.strip("."):
        raise RequestError(
            f"{what}: {shown!r}: an asterisk stands for whole labels before a domain, as in"
            " '*.gpu.internal'; to allow every host, leave egress out"
        )
    return HostRule(name, below=below, scheme=scheme, port=port)


def _network(text: str) -> Network | None:
    try:
        network = ipaddress.ip_network(text.strip("[]"))
    except ValueError:
        return None
    mapped = network.network_address
    if isinstance(mapped, ipaddress.IPv6Address) and network.prefixlen == 128:
        address = mapped.ipv4_mapped
        if address is not None:
            return ipaddress.ip_network(address)
    return network


def _host_and_port(text: str, shown: str, what: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, None
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise RequestError(f"{what}: {shown!r}: a port is a number from 0 to 65535")
    return host, int(port)


def plain_host(host: str) -> str:
    """Give a host name as it is compared: lower case, no dot at its end."""
    return host.rstrip(".").casefold()


def address_of(host: str) -> Address | None:
    """Give the address that `host` is, as text; None if it is a name.

    IPv4 inside IPv6 is where packets go: IPv4.
    """
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


class HostList:
    """A list of hosts, taken apart once."""

    def __init__(self, texts: Iterable[str], what: str) -> None:
        self._rules = tuple(parsed_rule(text, what) for text in texts)

    def allows(self, url: str) -> bool:
        """Tell whether a URL leads to a host on the list."""
        try:
            parts: SplitResult = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        host = plain_host(parts.hostname or "")
        if not host:
            return False
        port = _PORTS.get(parts.scheme, 0) if port is None else port
        return any(rule.allows(parts.scheme, host, port) for rule in self._rules)
