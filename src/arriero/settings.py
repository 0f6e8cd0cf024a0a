"""What a client is configured with: frozen, checked when made, units in the names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from arriero._checks import check_count, check_function, check_kind, check_number
from arriero.errors import RequestError
from arriero.names import folded_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from arriero.errors import ArrieroError

Seconds: TypeAlias = float | None
"""Seconds, or None for no limit."""


_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")

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


_PIN = re.compile(r"sha256/[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is recognised, and how it recognises us."""

    verify: bool = True
    """False accepts any certificate: for experiments only."""
    ca: str | PathLike[str] | None = None
    """PEM file or directory of authorities to trust; None trusts the system's."""
    cert: str | PathLike[str] | None = None
    """PEM file of our own certificate, for servers that ask for one. This file, `key` and
    `ca` are looked at before each new connection and read again when they have changed; while
    they do not fit together, what was read before stays in use."""
    key: str | PathLike[str] | None = None
    """PEM file of its key; None if `cert` holds it."""
    password: str | None = dataclasses.field(default=None, repr=False)
    """Password of the key."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    context: object | None = dataclasses.field(default=None, repr=False)
    """A ready-made `ssl.SSLContext`, used as it is; the fields above are then not."""
    pins: tuple[str, ...] = ()
    """Public keys of which the server's certificate must have one, as ``sha256/BASE64=``;
    `arriero.spki_pin` computes them. Checked after the handshake, before anything is sent, at
    every connection; one without TLS is refused. Not with an httpx client."""

    def __post_init__(self) -> None:
        if self.minimum_version not in ("1.2", "1.3"):
            raise RequestError(
                f"Tls.minimum_version takes '1.2' or '1.3', not {self.minimum_version!r}"
            )
        _require_pins(self.pins)
        object.__setattr__(self, "pins", tuple(self.pins))
        if self.key is not None and self.cert is None:
            raise RequestError("Tls.key needs Tls.cert: the certificate the key belongs to")


def _require_pins(pins: object) -> None:
    if isinstance(pins, str) or not isinstance(pins, Iterable):
        raise RequestError(f"Tls.pins takes a tuple of pins, not {pins!r}")
    for pin in cast("Iterable[object]", pins):
        if not isinstance(pin, str) or not _PIN.fullmatch(pin):
            raise RequestError(
                f"Tls.pins: 'sha256/' and the Base64 of 32 bytes, not {pin!r};"
                " arriero.spki_pin('server.pem') computes it"
            )


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
        check_count(self, "max_connections", least=1)
        check_count(self, "keep_idle", least=0)


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed call is tried again. On by default, with these values.

    Tried again is what cannot have done harm: connections that could not be made, answers
    429, 502, 503 and 504, and connections lost before the first record of a call that may
    be repeated. Nothing is sent again once output was delivered, unless `continue_stream`.

    The wait before try n + 1 is random between 0 and ``first_wait_s * 2 ** (n - 1)``,
    at most `max_wait_s`; never shorter than what ``Retry-After`` asks for. A wait that
    would end after `Timeouts.total_s` is not begun: the error is raised at once.
    """

    attempts: int = 3
    """Most tries of one call, the first included; 1 never tries again."""
    first_wait_s: float = 0.2
    max_wait_s: float = 10.0
    max_retry_after_s: float = 60.0
    """Longest wait that ``Retry-After`` is obeyed for; it is cut to this."""
    budget_ratio: float = 0.2
    """Most retries of the client in the last ten seconds, as a share of its calls: a
    server that is down is not asked four times as often as one that is up."""
    budget_reserve: int = 10
    """Retries in ten seconds that are allowed however few calls there were."""
    rule: Callable[[ArrieroError], bool | None] | None = None
    """Asked first: True tries again, False does not, None leaves it to the rules above.
    True cannot make a call safe: use it for errors of which you know that nothing ran."""
    continue_stream: bool = False
    """True resumes a chat that was cut off after its first record: what had arrived is sent
    as the beginning of the answer, and the rest is added to it. The seam shows in
    ``response.http.resumed_at``. Not for answers with ``format`` or tool calls, and not for
    `generate` unless ``raw``."""

    def __post_init__(self) -> None:
        check_count(self, "attempts", least=1)
        check_count(self, "budget_reserve", least=0)
        for name in ("first_wait_s", "max_wait_s", "max_retry_after_s", "budget_ratio"):
            check_number(self, name)
        check_function("Retry.rule", self.rule)

    @classmethod
    def none(cls) -> Retry:
        """Each call is tried once, which is what the `ollama` package does."""
        return cls(attempts=1)


@dataclass(frozen=True, slots=True)
class RedisRates:
    """Rates that all clients with the same `name` share, in whatever process they are.

    Needs the extra `redis`. What is in Redis ends by itself, a few minutes after the last call.
    """

    url: str = dataclasses.field(repr=False)
    """``redis://``, ``rediss://`` or ``unix://``, with credentials if need be."""
    name: str = "default"
    """Which rates: one name for each server, or group of servers, that is protected."""
    prefix: str = "arriero"
    """Begins every key."""
    on_failure: Literal["open", "closed"] = "open"
    """What happens while Redis cannot be asked. ``open``: each client goes on at its share,
    the rate divided by the clients seen in the minute before. ``closed``: calls fail with
    `LimitReached`."""
    timeout_s: float = 0.25
    """Longest wait for Redis, once to connect and once for an answer; a call asks twice at
    most, and then no call does for a second."""

    def __post_init__(self) -> None:
        if not self.url.startswith(_REDIS_SCHEMES):
            raise RequestError("RedisRates.url takes a URL: redis://, rediss:// or unix://")
        if self.on_failure not in ("open", "closed"):
            raise RequestError(
                f"RedisRates.on_failure takes 'open' or 'closed', not {self.on_failure!r}"
            )
        check_number(self, "timeout_s", above_zero=True)


def _check_per_model(limits: Mapping[Any, object] | None) -> None:
    check_kind("Limits.per_model", limits, Mapping, "such as {'llama3.2': 2}")
    seen: dict[str, str] = {}
    for model, most in (limits or {}).items():
        if not isinstance(model, str):
            raise RequestError(f"Limits.per_model: names of models, not {model!r}")
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise RequestError(f"Limits.per_model[{model!r}] takes 1 or more, not {most!r}")
        twin = seen.setdefault(folded_name(model) or model, model)
        if twin != model:
            raise RequestError(f"Limits.per_model: {twin!r} and {model!r} are the same model")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a server one client takes. None means no limit. Off by default.

    Limits count calls that run a model (chat, generate, embed), not those that manage it.
    Calls over a limit wait in a queue: by `CallPolicy.priority`, then fair between
    `CallPolicy.tenant`, then in order of arrival.
    """

    concurrency: int | None = None
    """Most calls at a time; a stream counts until it ends. With `adaptive`, the most that
    the limit may grow to."""
    per_model: Mapping[str, int] | None = None
    """Most calls at a time for single models; ``m`` and ``M:latest`` are the same one."""
    queue: int = 1000
    """Most calls that wait; one more is refused with `LimitReached`."""
    max_wait_s: Seconds = 300.0
    """Longest wait in the queue, then `LimitReached`."""
    requests_per_s: float | None = None
    """Calls per second, with bursts of one second's worth (at least one call)."""
    tokens_per_s: float | None = None
    """Tokens per second, prompt and answer, reserved by an estimate and settled by the
    server's own counts; bursts of one minute's worth."""
    adaptive: bool = False
    """True finds the concurrency the server can bear: it grows by one while all goes well
    and falls on 503 and on waiting inside the server. A 503 then puts the call back to the
    head of the queue and is no retry."""
    shared: RedisRates | None = None
    """Where the rates are counted together with other clients and processes; the limits are
    then those of all of them."""

    def __post_init__(self) -> None:
        if self.shared is not None:
            if not isinstance(self.shared, RedisRates):
                raise RequestError(f"Limits.shared takes a RedisRates, not {self.shared!r}")
            if self.requests_per_s is None and self.tokens_per_s is None:
                raise RequestError("Limits.shared needs requests_per_s or tokens_per_s")
        check_count(self, "concurrency", least=1)
        check_count(self, "queue", least=0)
        _check_per_model(self.per_model)
        for name in ("max_wait_s", "requests_per_s", "tokens_per_s"):
            check_number(self, name, above_zero=True)

    @property
    def queues(self) -> bool:
        """True if calls may have to wait for one another."""
        return bool(self.concurrency or self.adaptive or self.per_model)

    @property
    def paces(self) -> bool:
        """True if calls may have to wait for their time."""
        return self.requests_per_s is not None or self.tokens_per_s is not None


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a host that fails is left alone. Off by default, as there is one host.

    Counted for each host and model. It opens when, within `window_s`, at least `failures`
    calls failed and at least `share` of all; then calls fail at once with `CircuitOpen`.
    After `open_s`, `probes` calls are let through: one that succeeds closes it, one that
    fails opens it again. Failures are lost connections, budgets that ran out, answers
    from 500 on, errors inside a stream and streams that end early.
    """

    failures: int = 5
    share: float = 0.5
    window_s: float = 30.0
    open_s: float = 15.0
    probes: int = 1

    def __post_init__(self) -> None:
        check_count(self, "failures", least=1)
        check_count(self, "probes", least=1)
        for name in ("share", "window_s", "open_s"):
            check_number(self, name, above_zero=True)


@dataclass(frozen=True, slots=True)
class Cache:
    """Which answers are given more than once. Off by default.

    That concerns embeddings, and chats and generations without stream whose own options say
    ``temperature`` 0 or a ``seed`` from 0 on. Kept answers belong to the digest of a model.
    In memory, unless `path` or `redis` names another place.
    """

    path: str | PathLike[str] | None = None
    """SQLite file, made if need be for this user alone; many processes may share it."""
    redis: str | None = dataclasses.field(default=None, repr=False)
    """URL of a Redis server: ``redis://``, ``rediss://`` or ``unix://``. Its entries end by
    `ttl_s`; how many there may be is Redis's own setting. Needs the extra `redis`."""
    max_entries: int = 10_000
    """0 keeps nothing, and only coalesces."""
    max_bytes: int = 64 * 1024 * 1024
    """All entries together; in Redis each one."""
    ttl_s: float = 86_400.0
    """Longest an answer is given again: a day, as a server that was updated or configured
    anew answers differently under the same digest."""
    digest_ttl_s: float = 30.0
    """How long the server's list of models is relied on. What other clients pull is noticed
    that late."""
    coalesce: bool = True
    """True has calls that ask for the same at the same time share one request."""
    per_tenant: bool = True
    """True keeps what `CallPolicy.tenant` tells apart: otherwise the speed of an answer tells
    one tenant what another has asked."""
    prefix: str = "arriero"
    """Begins every key in Redis."""
    timeout_s: float = 0.25
    """Longest wait for SQLite or Redis; then the call goes on without."""

    def __post_init__(self) -> None:
        if self.path is not None and self.redis is not None:
            raise RequestError("Cache: path or redis, not both")
        if self.redis is not None and not self.redis.startswith(_REDIS_SCHEMES):
            raise RequestError("Cache.redis takes a URL: redis://, rediss:// or unix://")
        check_count(self, "max_entries", least=0)
        check_count(self, "max_bytes", least=1)
        for name in ("ttl_s", "digest_ttl_s", "timeout_s"):
            check_number(self, name, above_zero=True)

    @classmethod
    def coalescing(cls) -> Cache:
        """Keep nothing; only have calls at the same time share one request."""
        return cls(max_entries=0)


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What governs one call, instead of what its client says."""

    retry: Retry | None = None
    """Instead of the client's, wholly."""
    tenant: str = ""
    """On whose behalf; the queue is fair between tenants."""
    priority: int = 0
    """Calls with a higher number leave the queue first."""
    cache: Literal["use", "refresh", "off"] = "use"
    """``refresh`` has the server asked, and its answer kept; ``off`` neither takes nor gives.
    Without `Cache` it means nothing."""
    metadata: Mapping[str, Any] | None = None
    """Goes into events and the audit log, and nowhere else."""
    actor: str = ""
    """Who asks, a person or a service; like `metadata`."""

    def __post_init__(self) -> None:
        check_kind("CallPolicy.retry", self.retry, Retry, "a Retry, such as Retry(attempts=5)")
        check_kind("CallPolicy.metadata", self.metadata, Mapping, "a mapping")
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise RequestError(f"CallPolicy.priority takes a whole number, not {self.priority!r}")
        if self.cache not in ("use", "refresh", "off"):
            raise RequestError(
                f"CallPolicy.cache takes 'use', 'refresh' or 'off', not {self.cache!r}"
            )
        for name in ("tenant", "actor"):
            if not isinstance(getattr(self, name), str):
                raise RequestError(f"CallPolicy.{name} takes a text, not {getattr(self, name)!r}")
