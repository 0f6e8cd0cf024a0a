"""What probes saw, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from arriero._core.host import Base
from arriero.errors import ArrieroError

HandshakeKind: TypeAlias = Literal["trusted", "untrusted", "no-tls", "failed"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined."""

    given: str = field(repr=False)
    """The host as it was written; empty if nowhere."""
    source: str
    """Where it was written, such as ``OLLAMA_HOST``; empty for the default."""
    base: Base
    environ: Mapping[str, str] = field(repr=False)
    proxy: str | None = field(default=None, repr=False)
    """The proxy that calls take."""
    has_credentials: bool = False
    """True if calls carry some."""
    verifies: bool = True
    """False if any certificate is accepted."""
    in_container: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What the name of a host resolves to."""

    addresses: tuple[str, ...] = ()
    error: str = ""
    spent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Knock:
    """An attempt to connect to one address."""

    address: str
    failure: Literal["", "refused", "timeout", "other"] = ""
    reason: str = ""
    """The failure in words."""
    spent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Handshake:
    """An attempt to speak TLS."""

    kind: HandshakeKind
    reason: str = ""
    """Why not, in OpenSSL's words."""
    verify_code: int = 0
    """OpenSSL's number of what is wrong with the certificate."""
    version: str = ""
    """Such as ``TLSv1.3``."""
    ends_s: float | None = None
    """When the certificate ends, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of asking for the version."""

    version: str = ""
    error: ArrieroError | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    """Where the answer came from, after redirects."""
    asked_s: float = 0.0
    """When it was asked, in seconds since 1970."""
    answered_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory."""

    name: str
    size: int
    size_vram: int


@dataclass(frozen=True, slots=True)
class Models:
    """What the server has."""

    names: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    """Those of them that run elsewhere."""
    loaded: tuple[Loaded, ...] = ()
    error: ArrieroError | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system with the server's models."""

    folder: str
    free_bytes: int
    total_bytes: int
