"""Servers quote in their errors what they were sent; errors end in logs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping

from arriero._core.http import Head
from arriero._core.policy.cleartext import is_secret

_MIN_SECRET = 6
"""Shortest text that is taken out: a shorter one would also be found where it is none."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Put ``[secret]`` where `text` repeats one of `secrets`, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, "[secret]")
    return text


def secrets_of(headers: Iterable[tuple[str, str]]) -> set[str]:
    """Give what is secret in a request's headers, in every form a server may know it by."""
    secrets: set[str] = set()
    for name, value in headers:
        if not is_secret(name):
            continue
        secrets.update((value, *value.split()))
        scheme, _, coded = value.partition(" ")
        if scheme.lower() == "basic":
            secrets.add(_password(coded))
    return secrets


def _password(coded: str) -> str:
    try:
        return base64.b64decode(coded).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def without_secrets(
    sent: Iterable[tuple[str, str]], head: Head, body: bytes
) -> tuple[Mapping[str, str], bytes]:
    """Give headers and body of an error answer without what they repeat of the secrets sent."""
    secrets = secrets_of(sent)
    headers = {name: redacted(value, secrets) for name, value in head.headers.items()}
    text = redacted(body.decode("utf-8", "surrogateescape"), secrets)
    return headers, text.encode("utf-8", "surrogateescape")
