"""Servers recognised by their public key, whoever vouches for them.

Source: RFC 7469, section 2.4, for what is hashed; RFC 5280, section 4.1, for where it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from arriero._core.http import Fault
from arriero.errors import RequestError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION = 0x30, 0xA0
_FIELDS_BEFORE_KEY = 5
"""Serial number, signature algorithm, issuer, validity, subject."""


def spki_pin(certificate: str | PathLike[str] | bytes) -> str:
    """Compute the pin of a certificate, for `Tls.pins`: ``sha256/BASE64=``.

    It depends on the public key alone, so a certificate that is renewed with the same key
    keeps it.

    Args:
        certificate: Path of a PEM or DER file, or its content; of several certificates the
            first counts, which is the server's own.

    Raises:
        RequestError: it cannot be read, or is no certificate.
    """
    if isinstance(certificate, bytes):
        return _pin(_der(certificate, "spki_pin"))
    path = fspath(certificate)
    try:
        data = Path(path).read_bytes()
    except OSError as cause:
        raise RequestError(f"spki_pin: {path!r} cannot be read: {cause.strerror}") from cause
    return _pin(_der(data, f"spki_pin: {path!r}"))


def require_pinned(pins: tuple[str, ...], connected: Any) -> None:
    """Check whom a connection leads to, if there are pins.

    Args:
        pins: Of which one must fit.
        connected: What has the TLS session, or None without one.

    Raises:
        Fault: ``pin``, with what was seen as its reason.
    """
    if not pins:
        return
    der = None if connected is None else connected.getpeercert(binary_form=True)
    seen = "no certificate" if der is None else _pin(der)
    if seen not in pins:
        raise Fault("pin", "connect", seen)


def _der(data: bytes, where: str) -> bytes:
    found = _PEM.search(data)
    try:
        der = data if found is None else base64.b64decode(found[1])
        _spki(der)
    except (ValueError, IndexError, binascii.Error) as cause:
        raise RequestError(f"{where}: no certificate in PEM or DER") from cause
    return der


def _pin(der: bytes) -> str:
    digest = hashlib.sha256(_spki(der)).digest()
    return f"sha256/{base64.b64encode(digest).decode()}"


def _spki(der: bytes) -> bytes:
    """Give the SubjectPublicKeyInfo of a certificate, as it stands there.

    Raises:
        ValueError: it is none.
        IndexError: it is cut short.
    """
    start, _ = _inside(der, 0)  # the certificate
    at, end = _inside(der, start)  # what is signed of it
    if der[at] == _VERSION:
        _, at = _content(der, at)
    for _ in range(_FIELDS_BEFORE_KEY):
        _, at = _content(der, at)
    _inside(der, at)
    _, behind = _content(der, at)
    if behind > end or end > len(der):
        raise ValueError("cut short")
    return der[at:behind]


def _inside(der: bytes, at: int) -> tuple[int, int]:
    if der[at] != _SEQUENCE:
        raise ValueError("not the sequence that is due here")
    return _content(der, at)


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Give where the content of the element at `at` begins, and where it ends."""
    length = der[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        begin += size
        length = int.from_bytes(der[at + 2 : begin])
    return begin, begin + length
