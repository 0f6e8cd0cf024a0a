"""What clients of both colours share: configuration, pickling, the check of arguments."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Self

from arriero._core.api.explained import explained
from arriero._core.events import Observer
from arriero._core.journal import Journal
from arriero._core.policy.cleartext import Cleartext
from arriero._core.progress import Target
from arriero._core.statistics import Connections, Statistics
from arriero._drive.identities import secret_among
from arriero._drive.setup import UNSET, Setup, setup
from arriero.content import Content
from arriero.egress import Egress, EgressDecision
from arriero.errors import MissingExtra, RequestError
from arriero.identity import Auth
from arriero.settings import Breaker, Cache, Limits, Pool, Retry, Timeouts, Tls


class Configured:
    """A configured client; see `Client` and `AsyncClient`."""

    _httpx_class: ClassVar[str] = "Client"
    _is_async: ClassVar[bool] = False

    def __init__(
        self,
        host: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Any = UNSET,
        timeouts: Timeouts | None = None,
        auth: Auth | Any | None = None,
        tls: Tls | None = None,
        proxy: Any = None,
        pool: Pool | None = None,
        follow_redirects: bool = True,
        cleartext_credentials: Cleartext = "warn",
        max_line_bytes: int | None = None,
        retry: Retry | None = None,
        limits: Limits | Any | None = None,
        breaker: Breaker | None = None,
        egress: Egress | None = None,
        content: Content | None = None,
        observers: Sequence[Observer] = (),
        cache: Cache | None = None,
        audit: Journal | None = None,
        telemetry: Observer | None = None,
        log: str | int | None = None,
        auto_pull: bool | Iterable[str] = False,
        http_client: Any = None,
        **httpx_arguments: Any,
    ) -> None:
        """Configure a client. Nothing is sent and no connection is made.

        Args:
            host: ``host``, ``host:port`` or a URL, credentials and path included; None
                takes `OLLAMA_HOST`, else ``http://127.0.0.1:11434``.
            headers: Sent with every request to `host`; they win over our own.
            timeout: As `httpx` takes it: seconds for connecting and for each silence, an
                `httpx.Timeout`, or None for no limit. `timeouts` says more.
            timeouts: Budgets of each phase; defaults in `Timeouts`.
            auth: Bearer token, (user, password), `OAuth2ClientCredentials`, `TokenFile`, or
                a callable giving a token for each request or a `Token` for many. Only ever
                sent to `host`; a mapping from origins gives each of them its own.
            tls: Certificates and pins; ``verify`` and ``cert`` of httpx are taken too.
            proxy: URL of a proxy. None takes the environment's, but never for loopback,
                private addresses and names without a dot.
            pool: Limits of connections.
            follow_redirects: Method and body are kept, credentials stay at their origin.
            cleartext_credentials: What is done if a credential would go to another machine
                without TLS: ``warn``, with a `SecurityWarning` for each origin; ``error``,
                with a `RequestError` before anything is sent; or ``allow``.
            max_line_bytes: Longest line of a stream; longer ones are refused. 64 MiB.
            retry: When a failed call is tried again; None takes the defaults of `Retry`,
                ``Retry.none()`` never does.
            limits: Concurrency, queue and rates; None has none. An `httpx.Limits` is taken
                for connections, as `pool`.
            breaker: When a failing host is left alone; None never does.
            egress: Where data may go; None lets it go anywhere.
            content: Functions that judge requests and answers; None has none.
            observers: Called with each event of each call, see `arriero.events`.
            cache: Which answers are given more than once; None asks for each.
            audit: Where each call is written down: an `AuditLog`. It may refuse calls.
            telemetry: Spans and metrics: a `Telemetry`.
            log: Level from which events are logged to the logger ``arriero``, such as
                ``"info"``; None logs nothing.
            auto_pull: Models that are pulled, once, when chat, generate or embed asks for one
                and the server lacks it: names, where ``*`` stands for any characters. True is
                every model. The call's `total_s` counts for the pull, too.
            http_client: An httpx or httpx2 client to send with, instead of our own.
            **httpx_arguments: Further keyword arguments of `httpx.Client`: ``verify``,
                ``cert``, ``limits``, ``trust_env``, ``cookies``, ``params`` work with
                every transport; ``transport``, ``mounts``, ``event_hooks`` and ``http2``
                make an httpx client.

        Raises:
            RequestError: an argument is wrong or unknown.
            EgressDenied: `egress` does not allow the Redis server of `cache` or `limits`.
        """
        if limits is not None and not isinstance(limits, Limits):
            httpx_arguments["limits"] = limits
            limits = None
        if isinstance(auto_pull, Iterable) and not isinstance(auto_pull, str):
            auto_pull = tuple(auto_pull)
        given = {
            "host": host,
            "headers": headers,
            "timeout": timeout,
            "timeouts": timeouts,
            "auth": auth,
            "tls": tls,
            "proxy": proxy,
            "pool": pool,
            "follow_redirects": follow_redirects,
            "cleartext_credentials": cleartext_credentials,
            "max_line_bytes": max_line_bytes,
            "retry": retry,
            "limits": limits,
            "breaker": breaker,
            "egress": egress,
            "content": content,
            "observers": observers or None,
            "cache": cache,
            "audit": audit,
            "telemetry": telemetry,
            "log": log,
            "auto_pull": auto_pull or None,
            "http_client": http_client,
            **httpx_arguments,
        }
        self._arguments = {
            name: value for name, value in given.items() if value is not None and value is not UNSET
        }
        if timeout is None:
            self._arguments["timeout"] = None
        if http_client is not None and (httpx_arguments or tls is not None):
            misplaced = next(iter(httpx_arguments), "tls")
            raise RequestError(f"http_client brings its own settings; {misplaced!r} belongs there")
        self._given_client = http_client
        self._closed = False
        self._sleepers: set[Callable[[], None]] = set()
        """Each wakes a call that waits for its next try."""
        self._setup: Setup = setup(
            host,
            environ=os.environ,
            headers=headers,
            timeout=timeout,
            timeouts=timeouts,
            auth=auth,
            tls=tls,
            proxy=proxy,
            pool=pool,
            follow_redirects=follow_redirects,
            cleartext_credentials=cleartext_credentials,
            max_line_bytes=max_line_bytes,
            retry=retry,
            limits=limits,
            breaker=breaker,
            egress=egress,
            content=content,
            observers=observers,
            cache=cache,
            is_async=self._is_async,
            audit=audit,
            telemetry=telemetry,
            log=log,
            auto_pull=auto_pull,
            httpx_arguments=httpx_arguments,
        )
        self._target: Target = self._setup.target
        self._prepare()

    def _wake_sleepers(self) -> None:
        """Let every call that waits for its time go on, to find the client closed."""
        for wake in list(self._sleepers):
            wake()

    def _prepare(self) -> None:
        """Do what should not wait for the first call. Nothing here."""

    @property
    def host(self) -> str:
        """URL of the server, without credentials."""
        return self._target.base.url

    def statistics(self) -> Statistics:
        """Give what the client has done so far, and what it is doing, as one snapshot."""
        seen = self._target.governor.statistics()
        return dataclasses.replace(seen, connections=self._connections())

    def _connections(self) -> Mapping[str, Connections]:
        raise NotImplementedError

    @classmethod
    def from_config(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        profile: str | None = None,
        **arguments: Any,
    ) -> Self:
        """Make a client of what a file says, with the environment over it.

        Args:
            path: The file; None takes `ARRIERO_CONFIG`, else the nearest ``arriero.toml``, or
                ``pyproject.toml`` with ``[tool.arriero]``, from the current directory upward.
            profile: Table of the file, put over ``[default]``; None takes `ARRIERO_PROFILE`.
            **arguments: As the client's own; they win over the file, each as a whole.

        Raises:
            RequestError: no file or profile, an unknown name, a wrong value, or a secret
                in the file.
        """
        from arriero._config.reading import configured

        return cls(**{**configured(path, profile, os.environ), **arguments})

    def explain(self, call: str, **arguments: Any) -> EgressDecision:
        """Say whether the egress policy would let a call be sent, and why. Nothing is sent.

        With `Egress.look_up`, what only the server knows of a model is left out, unless an
        earlier call has asked. The Redis servers of `cache` and `limits` are on the list: the
        client would not have been made otherwise.

        Args:
            call: Name of a method, such as ``"chat"``.
            **arguments: Its arguments, as far as they matter: ``model="x:cloud"``.

        Raises:
            RequestError: there is no such method, or an argument is wrong.
        """
        return explained(self._target, call, arguments)

    @property
    def timeouts(self) -> Timeouts:
        """Budgets of calls that bring none of their own."""
        return self._target.timeouts

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.host}>"

    def __getstate__(self) -> dict[str, Any]:
        """Give the configuration; connections are made anew where it is unpickled.

        Raises:
            TypeError: the client sends over an ``http_client``, which holds sockets; or a
                secret is among its arguments, which a pickle would carry to wherever it goes.
        """
        if self._given_client is not None:
            raise TypeError(f"a {type(self).__name__} with http_client= cannot be pickled")
        secret = secret_among(self._arguments)
        if secret is not None:
            raise TypeError(
                f"a {type(self).__name__} with a secret in {secret}= cannot be pickled: give auth"
                " as a function or TokenFile, or make the client where it is used"
            )
        return self._arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # runs on an empty instance

    def _http_client(self) -> tuple[Any, bool]:
        """Give the httpx client to send over, or None, and whether it is ours to close."""
        if self._given_client is not None:
            return self._given_client, False
        if self._setup.httpx_options is None:
            return None, True
        try:
            import httpx
        except ImportError as cause:
            names = ", ".join(sorted(self._setup.httpx_options))
            raise MissingExtra(
                f"{names}: needs httpx; install it with: pip install 'arriero[httpx]'"
            ) from cause
        return getattr(httpx, self._httpx_class)(**self._setup.httpx_options), True
