"""From a client's arguments and the environment to what its calls need. Without colour."""

from __future__ import annotations

import dataclasses
import platform
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from arriero._core.answers.state import Answers
from arriero._core.api.service import CLOUD, ApiKey
from arriero._core.events import Observer
from arriero._core.governor import Governor
from arriero._core.host import Base, origin_of, parse_host
from arriero._core.journal import Journal
from arriero._core.ndjson import DEFAULT_MAX_LINE_BYTES
from arriero._core.policy.cleartext import Cleartext, complaint, is_readable, is_secret
from arriero._core.policy.shared_rate import SharedRates
from arriero._core.progress import Headers, Provide, Target
from arriero._core.proxy import proxy_for
from arriero._drive.arguments import HTTPX_ONLY, refuse_unknown, refuse_wrong
from arriero._drive.guarding import guard_of
from arriero._drive.identities import Identity, identity_of, is_httpx_auth
from arriero._drive.outside import Outside, shared_by
from arriero._drive.stores import store_of
from arriero._transport.fork import forget_after_fork
from arriero._transport.interface import TransportSettings
from arriero._transport.notice import warn_once
from arriero._version import __version__
from arriero.content import Content
from arriero.egress import Egress
from arriero.errors import RequestError
from arriero.identity import Auth
from arriero.settings import Breaker, Cache, Limits, Pool, Retry, Timeouts, Tls

if TYPE_CHECKING:
    from arriero._drive.credentials import Source


class Unset:
    """Type of `UNSET`: None means something else."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Setup:
    """What a client is made of."""

    target: Target
    transport: TransportSettings
    sources: Mapping[str, Source]
    """By origin: who is asked for the tokens of `Target.providers`."""
    api_key: ApiKey = field(repr=False)
    httpx_options: Mapping[str, Any] | None = field(repr=False)
    """Arguments for an httpx client to be made; None uses the default transport."""
    outside: Outside
    """What is kept outside this process, to be closed with the client."""


def setup(
    host: str | None,
    *,
    environ: Mapping[str, str],
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
    limits: Limits | None = None,
    breaker: Breaker | None = None,
    egress: Egress | None = None,
    content: Content | None = None,
    observers: Sequence[Observer] = (),
    cache: Cache | None = None,
    is_async: bool = False,
    audit: Journal | None = None,
    telemetry: Observer | None = None,
    log: str | int | None = None,
    auto_pull: bool | Iterable[str] = False,
    httpx_arguments: Mapping[str, Any] | None = None,
) -> Setup:
    """Check and combine everything a client is configured with.

    Raises:
        RequestError: an argument is wrong, unknown, or contradicts another.
    """
    arguments = dict(httpx_arguments or {})
    refuse_unknown(arguments)
    refuse_wrong(
        {
            "headers": headers,
            "timeouts": timeouts,
            "tls": tls,
            "pool": pool,
            "follow_redirects": follow_redirects,
            "max_line_bytes": max_line_bytes,
            "retry": retry,
            "breaker": breaker,
            "egress": egress,
            "content": content,
            "observers": observers,
            "cache": cache,
            "audit": audit,
            "telemetry": telemetry,
        }
    )
    base = parse_host(host or environ.get("OLLAMA_HOST"))
    base = _with_params(base, arguments.pop("params", None))
    _require_tls(tls, base)
    api_key = environ.get("OLLAMA_API_KEY") or None
    own_headers = _headers(headers, arguments.pop("cookies", None))
    needs_httpx = _needs_httpx(arguments, auth, proxy)
    identity = identity_of(auth, base, api_key)
    outside = Outside(is_async=is_async)
    answers = None
    if cache is not None:
        answers = Answers(cache, store_of(cache, outside), threading.Lock)
    target = Target(
        base=base,
        headers=own_headers,
        user_agent=_user_agent(),
        timeouts=_timeouts(timeout, timeouts),
        clock=time.monotonic,
        authorization=identity.fixed.pop(base.origin, None),
        elsewhere=identity.fixed,
        providers=frozenset(identity.sources),
        cleartext=cleartext_credentials,
        warn_once=warn_once,
        follow_redirects=bool(follow_redirects),
        max_line_bytes=max_line_bytes or DEFAULT_MAX_LINE_BYTES,
        governor=_governor(
            retry or Retry(),
            limits,
            breaker,
            _observers(observers, telemetry, log),
            answers,
            audit,
            shared_by(limits, outside),
        ),
        provide=_provider(auto_pull),
    )
    options = dict(arguments)
    if needs_httpx:
        options.update({"auth": auth} if is_httpx_auth(auth) else {})
        options.update({"proxy": proxy} if proxy is not None else {})
        options.update(_verify_of(tls))
    trust_env = bool(arguments.pop("trust_env", True))
    chosen = proxy if isinstance(proxy, str) else _proxy_of(arguments.pop("proxies", None), base)
    if chosen is None and trust_env and not needs_httpx:
        chosen = proxy_for(base.url, environ)
    settings = TransportSettings(
        tls=_tls(tls, arguments), pool=_pool(pool, arguments.get("limits")), proxy=chosen
    )
    _guard(target, identity, chosen)
    key = CLOUD.origin in identity.sources or _key_given(target) or api_key
    httpx_options = options if needs_httpx else None
    guard = guard_of(
        egress,
        auth=auth,
        base=base,
        proxy=chosen,
        httpx_options=httpx_options,
        outside=outside.places(),
        environ=environ,
    )
    target = dataclasses.replace(target, egress=guard, content=content)
    return Setup(target, settings, identity.sources, key, httpx_options, outside)


def _provider(auto_pull: bool | Iterable[str]) -> Provide | None:
    if auto_pull is False:
        return None
    from arriero._core.api.providing import provider

    return provider(auto_pull)


def _governor(
    retry: Retry,
    limits: Limits | None,
    breaker: Breaker | None,
    observers: Sequence[Observer],
    answers: Answers | None,
    audit: Journal | None,
    shared: Callable[[], SharedRates] | None,
) -> Governor:
    governor = Governor(
        retry=retry,
        limits=limits,
        breaker=breaker,
        observers=observers,
        answers=answers,
        journal=audit,
        shared=shared,
        clock=time.monotonic,
        random=random.random,
        lock=threading.Lock,
    )
    forget_after_fork(governor)
    return governor


def _guard(target: Target, identity: Identity, proxy: str | None) -> None:
    """Tell at once what can be told before the first call.

    Raises:
        RequestError: a secret would be given away, or the setting is none.
    """
    if target.cleartext not in ("warn", "error", "allow"):
        raise RequestError(
            f"cleartext_credentials: 'warn', 'error' or 'allow', not {target.cleartext!r}"
        )
    if target.cleartext == "allow":
        return
    places = {*identity.fixed, *identity.sources, *identity.token_servers}
    if target.authorization is not None or any(is_secret(name) for name, _ in target.headers):
        places.add(target.base.origin)
    if proxy is not None and urlsplit(proxy).password is not None:
        places.add(origin_of(proxy))
    for place in sorted(filter(is_readable, places)):
        if target.cleartext == "error":
            raise RequestError(complaint(place))
        target.warn_once(complaint(place))


def _observers(
    given: Sequence[Observer], telemetry: Observer | None, log: str | int | None
) -> Sequence[Observer]:
    # Telemetry first: what the others do in the call's time is then inside its span.
    first = () if telemetry is None else (telemetry,)
    if log is None:
        return (*first, *given)
    from arriero.observe.logs import EventLog

    return (*first, *given, EventLog(log))


def _key_given(target: Target) -> str | None:
    """Give the token that the arguments name for ollama.com."""
    if target.base.origin == CLOUD.origin:
        value = dict(target.headers).get("authorization") or target.authorization or ""
    else:
        value = target.elsewhere.get(CLOUD.origin, "")
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _needs_httpx(arguments: Mapping[str, Any], auth: Any, proxy: Any) -> bool:
    given = {name for name in HTTPX_ONLY & arguments.keys() if arguments[name]}
    return bool(given) or is_httpx_auth(auth) or not isinstance(proxy, str | None)


def _with_params(base: Base, params: Any) -> Base:
    if not params:
        return base
    from urllib.parse import urlencode

    query = params if isinstance(params, str) else urlencode(params, doseq=True)
    return Base(
        base.origin, base.path, "&".join(filter(None, (base.query, query))), base.credentials
    )


def _headers(headers: Mapping[str, str] | None, cookies: Any) -> Headers:
    made: dict[str, str] = {}
    for name, value in cast("Mapping[Any, Any]", headers or {}).items():
        if not isinstance(name, str):
            raise RequestError(f"headers: names are text, not {type(name).__name__}")
        if value is None:  # as the `ollama` package has it: such a header is not sent
            continue
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if "\r" in text or "\n" in text:
            raise RequestError(f"headers[{name!r}] holds a line break")
        made[name.lower()] = text
    if cookies:
        pairs = dict(cast("Mapping[str, str]", cookies))
        made["cookie"] = "; ".join(f"{name}={value}" for name, value in pairs.items())
    return tuple(made.items())


def _timeouts(timeout: Any, timeouts: Timeouts | None) -> Timeouts:
    if timeouts is not None:
        if not isinstance(timeout, Unset):
            raise RequestError("timeout or timeouts, not both")
        return timeouts
    if isinstance(timeout, Unset):
        return Timeouts()
    return timeouts_of(timeout)


def timeouts_of(timeout: Any) -> Timeouts:
    """Give the budgets that an httpx ``timeout`` argument stands for.

    A number limits connecting and each silence, as it does there; `total_s` stays open.

    Raises:
        RequestError: neither a number, a tuple, an `httpx.Timeout` nor None.
    """
    if timeout is None:
        return Timeouts.none()
    if isinstance(timeout, Timeouts):
        return timeout
    if isinstance(timeout, int | float) and not isinstance(timeout, bool):
        return _same(timeout, timeout)
    if isinstance(timeout, tuple):
        parts = cast("tuple[Any, ...]", timeout)
        if len(parts) >= 2:
            return _same(parts[0], parts[1])
    connect_s: Any = getattr(cast("object", timeout), "connect", UNSET)
    read_s: Any = getattr(cast("object", timeout), "read", UNSET)
    if connect_s is UNSET or read_s is UNSET:
        raise RequestError(f"timeout: seconds, an httpx.Timeout or None, not {timeout!r}")
    return _same(connect_s, read_s)


def _same(connect_s: float | None, read_s: float | None) -> Timeouts:
    return Timeouts(connect_s=connect_s, first_token_s=read_s, idle_s=read_s)


def _tls(tls: Tls | None, arguments: Mapping[str, Any]) -> Tls | None:
    verify, cert = arguments.get("verify", True), arguments.get("cert")
    if tls is not None:
        if verify is not True or cert is not None:
            raise RequestError("tls or verify/cert, not both")
        return tls
    if verify is True and cert is None:
        return None
    parts: tuple[Any, ...] = (cert,) if isinstance(cert, str) else tuple(cert or ())
    own = dict(zip(("cert", "key", "password"), parts, strict=False))
    if isinstance(verify, bool):
        return Tls(verify=verify, **own)
    if hasattr(verify, "wrap_socket"):
        return Tls(context=verify, **own)
    return Tls(ca=verify, **own)


def _verify_of(tls: Tls | None) -> dict[str, Any]:
    """Give what an httpx client that is to be made takes for `tls`.

    Raises:
        RequestError: it takes no pins, or the files are wrong.
    """
    if tls is None:
        return {}
    if tls.pins:
        raise RequestError(
            "Tls.pins cannot be checked by an httpx client: leave out the arguments that only"
            f" such a client takes ({', '.join(sorted(HTTPX_ONLY))}, or an httpx auth or proxy)"
        )
    from arriero._transport.tls import context_from

    return {"verify": context_from(tls)}


def _require_tls(tls: Tls | None, base: Base) -> None:
    if tls is not None and tls.pins and not base.origin.startswith("https:"):
        raise RequestError(f"Tls.pins: {base.origin} has no certificate; its URL must be https")


def _pool(pool: Pool | None, limits: Any) -> Pool:
    if pool is not None:
        return pool
    if limits is None:
        return Pool()
    if not hasattr(limits, "max_keepalive_connections"):
        raise RequestError(f"limits: a Limits, or an httpx.Limits, not {limits!r}")
    keep = limits.max_keepalive_connections
    return Pool(
        max_connections=limits.max_connections,
        keep_idle=Pool().keep_idle if keep is None else keep,
    )


def _proxy_of(proxies: Any, base: Base) -> str | None:
    """Give the proxy that an older httpx's ``proxies`` argument names for `base`."""
    if proxies is None or isinstance(proxies, str):
        return proxies
    scheme = base.origin.partition(":")[0]
    mapping = cast("Mapping[str, str | None]", proxies)
    for key in (f"{scheme}://", scheme, "all://", "all"):
        if mapping.get(key):
            return mapping[key]
    return None


def _user_agent() -> str:
    system, machine = platform.system().lower(), platform.machine()
    return f"arriero/{__version__} ({machine} {system}) Python/{platform.python_version()}"
