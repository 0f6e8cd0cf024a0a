"""Credentials that everybody on the way could read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, TypeAlias

from arriero._core.host import is_loopback

Cleartext: TypeAlias = Literal["warn", "error", "allow"]
"""What is done about a credential that would travel without TLS to another machine."""

_SECRET = re.compile(
    r"(.*[-_])?(authorization|cookie|api[-_]?key|token|secret|password)", re.IGNORECASE
)


@lru_cache(maxsize=256)
def is_secret(header: str) -> bool:
    """Tell by its name whether a header's value is to be kept secret."""
    return _SECRET.fullmatch(header) is not None


@lru_cache(maxsize=256)
def is_readable(url: str) -> bool:
    """Tell whether what is sent to `url` can be read on the way: no TLS, and not this machine."""
    return url[:5].lower() == "http:" and not is_loopback(url)


def exposes(origin: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a request's headers give a secret away."""
    return is_readable(origin) and any(is_secret(name) for name, _ in headers)


def complaint(origin: str) -> str:
    """Say what is wrong, and what to do about it."""
    return (
        f"a credential would go to {origin} in clear text, for everybody on the way to read:"
        " use https, or pass cleartext_credentials='allow' if the way is safe by other means"
    )
