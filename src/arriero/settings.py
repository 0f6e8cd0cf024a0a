"""What a client is configured with: frozen, checked when made, units in the names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from os import PathLike
from typing import Literal, TypeAlias

from arriero.errors import RequestError

Seconds: TypeAlias = float | None
"""Seconds, or None for no limit."""


_ENDLESS_S = 1e9
"""Longest budget that is a limit, 31 years: sockets cannot be told of longer ones."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time budgets of one call. None means no limit, and so does ``math.inf``.

    A budget that runs out raises `arriero.errors.DeadlineExceeded`, which names it, and
    closes the connection, which stops the server's work.
    """

    connect_s: Seconds = 5.0
    """TCP and TLS. Long enough for a lost SYN packet to be sent again."""
    first_token_s: Seconds = 600.0
    """From sending to the first record of a stream, or to the whole answer of a call
    without stream: covers the server's queue, loading the model and reading the prompt."""
    idle_s: Seconds = 120.0
    """Between two records of a stream."""
    total_s: Seconds = None
    """The whole call: waits, retries, everything."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise RequestError(
                    f"Timeouts.{field.name} takes seconds above 0, or None for no limit,"
                    f" not {value!r}"
                )
            if value > _ENDLESS_S:
                object.__setattr__(self, field.name, None)

    @classmethod
    def none(cls) -> Timeouts:
        """No limits at all, which is what the `ollama` package has."""
        return cls(connect_s=None, first_token_s=None, idle_s=None, total_s=None)


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is recognised, and how it recognises us."""

    verify: bool = True
    """False accepts any certificate: for experiments only."""
    ca: str | PathLike[str] | None = None
    """PEM file or directory of authorities to trust; None trusts the system's."""
    cert: str | PathLike[str] | None = None
    """PEM file of our own certificate, for servers that ask for one."""
    key: str | PathLike[str] | None = None
    """PEM file of its key; None if `cert` holds it."""
    password: str | None = dataclasses.field(default=None, repr=False)
    """Password of the key."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    context: object | None = dataclasses.field(default=None, repr=False)
    """A ready-made `ssl.SSLContext`, used as it is; the fields above are then not."""

    def __post_init__(self) -> None:
        if self.key is not None and self.cert is None:
            raise RequestError("Tls.key needs Tls.cert: the certificate the key belongs to")


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections of one client."""

    max_connections: int | None = None
    """Most connections to one host at a time; a call beyond it waits within its
    `connect_s`. None has no limit: a stream holds its connection while it runs, so a
    limit here is also a limit on streams."""
    keep_idle: int = 32
    """Most connections kept open for later calls, for each host."""

    def __post_init__(self) -> None:
        if self.max_connections is not None and self.max_connections < 1:
            raise RequestError(
                f"Pool.max_connections takes 1 or more, or None, not {self.max_connections!r}"
            )
        if self.keep_idle < 0:
            raise RequestError(f"Pool.keep_idle takes 0 or more, not {self.keep_idle!r}")
