"""What went wrong on a connection, in the words of Go's client, which users know from Ollama.

Source: Go 1.26, net, net/http and crypto/tls; exchanges recorded from Ollama.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

_ADDRESS = re.compile(r"\('([0-9A-Fa-f.:]+)', (\d+)")
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
"""OpenSSL's reasons for an answer that is no TLS."""

_CALLS = {
    errno.ECONNRESET: "read: connection reset by peer",
    errno.EPIPE: "write: broken pipe",
}


def cause_of(error: Exception) -> str | None:
    """Say what happened; "" for a silence, None if the URL is at fault and nobody was asked."""
    import aiohttp

    if isinstance(error, (aiohttp.InvalidURL, ValueError)) and not isinstance(error, OSError):
        return None
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "dial tcp: i/o timeout"
    if isinstance(error, (asyncio.TimeoutError, aiohttp.ServerTimeoutError)):
        return ""
    if isinstance(error, aiohttp.ClientConnectorError):
        return _of_connecting(error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "unexpected EOF"
    if isinstance(error, aiohttp.ClientResponseError):
        return "malformed HTTP response"
    number = error.errno if isinstance(error, OSError) else None
    return _CALLS.get(number or 0) or "EOF"


def _of_connecting(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(cause, socket.gaierror):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {cause.verify_message}"
    if isinstance(cause, ssl.SSLEOFError):
        return "EOF"
    if isinstance(cause, ssl.SSLError):
        if cause.reason in _PLAIN:
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {(cause.reason or 'handshake failure').lower().replace('_', ' ')}"
    if isinstance(cause, ConnectionResetError):
        return "EOF"
    address = f"{error.host}:{error.port}"
    # asyncio puts the address it tried into the text; of several, Go tells the first.
    if match := _ADDRESS.search(str(cause)):
        shown = f"[{match[1]}]" if ":" in match[1] else match[1]
        address = f"{shown}:{match[2]}"
    return f"dial tcp {address}: connect: {_reason(cause)}"


def _reason(cause: OSError) -> str:
    number = cause.errno
    if number is None or number not in errno.errorcode:
        # Several addresses failed, each for its own reason.
        number = errno.ECONNREFUSED if "refused" in str(cause) else None
    if number is None:
        return "failed"
    import os

    return os.strerror(number).lower()
