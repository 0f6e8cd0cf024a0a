"""Looking: each probe looks at one thing and says what it saw. Nothing is decided here."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from arriero._doctor.rules.seen import Disk, Handshake, Knock, Loaded, Models, Names, Reply
from arriero._transport.reason import reason_from
from arriero._transport.tls import context_from
from arriero.errors import ArrieroError, ResponseError
from arriero.settings import Timeouts, Tls

if TYPE_CHECKING:
    from arriero._sync.client import Client


def look_up(host: str, port: int) -> Names:
    """Resolve a name."""
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Names(error=reason_from(error), spent_s=time.monotonic() - began)
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    return Names(addresses, spent_s=time.monotonic() - began)


def knock(address: str, port: int, timeout_s: float) -> Knock:
    """Connect to one address, and hang up."""
    began = time.monotonic()
    try:
        socket.create_connection((address, port), timeout_s).close()
    except OSError as error:
        return Knock(address, _kind_of(error), reason_from(error), time.monotonic() - began)
    return Knock(address, spent_s=time.monotonic() - began)


def _kind_of(error: OSError) -> Literal["refused", "timeout", "other"]:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "other"


def shake_hands(host: str, port: int, tls: Tls | None, timeout_s: float) -> Handshake:
    """Speak TLS as a client with those settings would.

    Raises:
        RequestError: the settings name files that cannot be used.
    """
    settings = tls or Tls()
    context = settings.context
    if not isinstance(context, ssl.SSLContext):
        context = context_from(settings)
    try:
        with (
            socket.create_connection((host, port), timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            ends = dict(wrapped.getpeercert() or {}).get("notAfter")
            ends_s = ssl.cert_time_to_seconds(str(ends)) if ends else None
            return Handshake("trusted", version=wrapped.version() or "", ends_s=ends_s)
    except ssl.SSLCertVerificationError as error:
        return Handshake("untrusted", error.verify_message, error.verify_code)
    except ssl.SSLError as error:
        return Handshake(_kind_of_tls(error), reason_from(error))
    except OSError as error:
        return Handshake("failed", reason_from(error))


def _kind_of_tls(error: ssl.SSLError) -> Literal["no-tls", "failed"]:
    # OpenSSL takes the first bytes of "HTTP/1.1" for a record of an unknown version.
    is_plain = error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
    return "no-tls" if is_plain else "failed"


def speaks_tls(host: str, port: int, timeout_s: float) -> bool:
    """Tell whether a port speaks TLS at all, with whatever certificate."""
    seen = shake_hands(host, port, Tls(verify=False), timeout_s)
    return seen.kind in ("trusted", "untrusted")


def ask_version(client: Client, timeout_s: float) -> Reply:
    """Ask for the version, as any call would be made."""
    asked_s = time.time()
    try:
        answer = client.version(timeouts=Timeouts(total_s=timeout_s))
    except ArrieroError as error:
        headers = error.headers if isinstance(error, ResponseError) else {}
        return Reply(error=error, headers=headers, asked_s=asked_s, answered_s=time.time())
    http = answer.http
    return Reply(answer.version, None, http.headers, http.url, asked_s, time.time())


def ask_models(client: Client, timeout_s: float) -> Models:
    """Ask which models there are, and which are loaded."""
    budget = Timeouts(total_s=timeout_s)
    try:
        listed, running = client.list(timeouts=budget).models, client.ps(timeouts=budget).models
    except ArrieroError as error:
        return Models(error=error)
    return Models(
        tuple(one.model or "" for one in listed),
        tuple(one.model or "" for one in listed if one.remote_host),
        tuple(Loaded(one.model or "", one.size or 0, one.size_vram or 0) for one in running),
    )


def disk_of_models(environ: Mapping[str, str]) -> Disk | None:
    """Look at the disk with this machine's models; None if there is no such folder."""
    own = environ.get("OLLAMA_MODELS")
    places = [Path(own)] if own else [Path.home() / ".ollama/models", _SERVICE]
    for folder in places:
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        return Disk(str(folder), usage.free, usage.total)
    return None


_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where Ollama's installer for Linux puts the models of the service."""


def is_in_container() -> bool:
    """Tell whether this is a container of Docker or Podman."""
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")
