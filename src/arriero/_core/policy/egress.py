"""Where a call would send data, and whether that is allowed. Pure; see `arriero.egress`.

What counts is where data ends up: the host of the request, but also ollama.com behind a
server that passes a call on, and the registry behind a pull.

Source: Ollama v0.33.0-rc2, internal/modelref (cloud names) and server/routes.go (routes that
the server passes on, keys of bodies).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from arriero._core.calls import RUNS_MODEL
from arriero._core.host import origin_of
from arriero._core.policy.named import Named, Unreadable, named_in
from arriero.egress import Egress, EgressDecision, HostList
from arriero.errors import EgressDenied
from arriero.names import ConflictingSource, InvalidName, parse_name, split_source

if TYPE_CHECKING:
    from arriero._core.calls import Call

CLOUD_URL = "https://ollama.com:443"

_WEB_TOOLS = ("/api/web_search", "/api/web_fetch", "/web_search", "/web_fetch")
_ACCOUNT = ("/api/me", "/api/signout", "/model-recommendations")
_MOST_KEPT = 10_000
"""Models of which is remembered where they run."""

ALLOWED = EgressDecision(allowed=True)


class Guard:
    """The egress policy of one client, and what it has learnt of its models.

    Attributes:
        settings: What the user asked for.
    """

    def __init__(
        self,
        settings: Egress,
        *,
        proxies: tuple[str, ...] = (),
        token_urls: Mapping[str, str] | None = None,
    ) -> None:
        """Args:
        settings: What the user asked for.
        proxies: Proxies that requests go through.
        token_urls: By origin, who is asked for its tokens.
        """
        self.settings = settings
        self._hosts = HostList(settings.hosts, "Egress.hosts")
        self._registries = HostList(settings.registries, "Egress.registries")
        self._proxies = proxies
        self._token_urls = token_urls or {}
        self._remotes: dict[tuple[str, str], str] = {}
        self._is_local: set[tuple[str, str]] = set()
        self._passed: set[object] = set()
        """Calls that `decide` let pass, by all it looks at but `_remotes`."""

    def decide(self, call: Call[object], url: str, came_from: str | None = None) -> EgressDecision:
        """Say whether `call` may be sent to `url`.

        Args:
            call: What would be sent.
            url: Where to; it may differ from the call's own after a redirect.
            came_from: Origin that redirects to it; None if nobody does.
        """
        try:
            named = named_in(call)
        except Unreadable as cause:
            return _denied(
                "unreadable",
                f"the body cannot be read, so no rule can judge it: {cause}",
                "use the client's own method, or request(json=...)",
            )
        # The same calls come again and again, and to look at a URL costs more than all the rest.
        key = (call.method, call.path, call.base, named, url, came_from)
        if key in self._passed:
            return ALLOWED
        decision = next(self._findings(call, named, url, _path(url), came_from), ALLOWED)
        if decision is ALLOWED and len(self._passed) < _MOST_KEPT:
            self._passed.add(key)
        return decision

    def _findings(
        self, call: Call[object], named: Named, url: str, path: str, came_from: str | None
    ) -> Iterator[EgressDecision]:
        origin = origin_of(url)
        if came_from is not None and came_from != origin and not self.settings.redirects:
            yield _denied(
                "redirect",
                f"{came_from} redirects to {origin}",
                f"give the client {origin} as its host, or set redirects=True",
            )
        is_web_tool = path.endswith(_WEB_TOOLS)
        if is_web_tool and not self.settings.web_tools:
            yield _denied("web_tools", "ollama.com runs the web tools", "set web_tools=True")
        if path.endswith(_ACCOUNT) or "/api/user/keys" in path:
            yield from self._account()
        if call.method != "DELETE":
            yield from self._clouds(named, path, origin)
        yield from self._pulled(call, named, path)
        if not (self._is_reachable(url, call) or (is_web_tool and _is_cloud(url))):
            yield _denied("host", f"{origin} is not in hosts", f"add {_bare(url)!r} to hosts")
        yield from self._beside(origin)

    def _is_reachable(self, url: str, call: Call[object]) -> bool:
        if self._hosts.allows(url):
            return True
        is_registry = call.base is not None and call.path.startswith("/v2/")
        return is_registry and self._registries.allows(url)

    def _account(self) -> Iterator[EgressDecision]:
        if not self.settings.cloud_models:
            yield _denied(
                "account", "the server asks ollama.com about its account", "set cloud_models=True"
            )

    def _clouds(self, named: Named, path: str, origin: str) -> Iterator[EgressDecision]:
        remote = named.remote_host
        if remote is not None and not self._may_run(remote):
            yield _denied(
                "remote_model",
                f"the model would be run by {_bare(remote)!r}",
                f"add {_bare(remote)!r} to hosts",
            )
        in_path = path.rpartition("/models/")[2] if "/models/" in path else ""
        for model in (*named.models, in_path):
            if not self.settings.cloud_models and is_cloud_name(model):
                yield _denied(
                    "cloud_model", f"ollama.com runs model {model!r}", "set cloud_models=True"
                )
            remote = self._remotes.get((origin, model))
            if remote is not None:
                yield _passed_on(model, remote)

    def _pulled(self, call: Call[object], named: Named, path: str) -> Iterator[EgressDecision]:
        if path.endswith(("/api/pull", "/api/push")):
            for model in named.models:
                yield from self._registry(model)
        is_plain = call.base is not None and call.base.origin.startswith("http://")
        asks_plainly = is_plain and call.path.startswith("/v2/")
        if (named.insecure or asks_plainly) and not self.settings.insecure:
            yield _denied("insecure", "the registry would not be checked", "set insecure=True")

    def _registry(self, model: str) -> Iterator[EgressDecision]:
        try:
            host = parse_name(split_source(model.strip())[0]).host
        except (InvalidName, ConflictingSource):
            yield _denied("registry", f"{model!r} is no model name", "mend the name")
            return
        if not self._registries.allows(f"https://{host}"):
            yield _denied(
                "registry",
                f"the server would reach the registry {host}",
                f"add {host!r} to registries",
            )

    def _beside(self, origin: str) -> Iterator[EgressDecision]:
        """Look at who else sees the call: the proxy, and who gives its token."""
        token_url = self._token_urls.get(origin)
        if token_url is not None and not self._hosts.allows(token_url):
            yield _denied(
                "token_url",
                f"tokens would be fetched from {_bare(token_url)}",
                f"add {_bare(token_url)!r} to hosts",
            )
        for proxy in self._proxies:
            if not self._hosts.allows(proxy):
                yield _denied(
                    "proxy",
                    f"requests would go through the proxy {_bare(proxy)}",
                    f"add {_bare(proxy)!r} to hosts, or set trust_env=False if the environment"
                    " names it",
                )

    def decide_keeping(self, place: str) -> EgressDecision:
        """Say whether answers, and who asks how often, may be kept in the Redis at `place`."""
        if self._hosts.allows(place):
            return ALLOWED
        return _denied(
            "redis",
            f"the client would keep answers or rates in the Redis at {_bare(place)}",
            f"add {_bare(place)!r} to hosts",
        )

    # What only the server knows

    def wants_to_know(self, call: Call[object], origin: str) -> tuple[str, ...]:
        """Give the models that the server must be asked about before `call`."""
        path = _path(call.path)
        if path.endswith("/api/create"):
            pulled = _sources(call)
            return tuple(model for model in pulled if any(self._registry(model)))
        if not self.settings.look_up or path not in RUNS_MODEL:
            return ()
        models = dict.fromkeys(named_in(call).models)
        return tuple(model for model in models if (origin, model) not in self._is_local)

    def learnt(self, origin: str, model: str, remote: str | None) -> EgressDecision:
        """Take in where a model runs: `remote` is a host behind the server, None the server."""
        if remote is None or self._may_run(remote):
            if len(self._is_local) < _MOST_KEPT:
                self._is_local.add((origin, model))
            return ALLOWED
        if len(self._remotes) < _MOST_KEPT:
            self._remotes[origin, model] = remote
            self._passed.clear()
        return _passed_on(model, remote)

    def missing(self, call: Call[object], model: str) -> EgressDecision:
        """Say whether `call` may name a model that the server does not have."""
        if _path(call.path).endswith("/api/create"):
            return next(self._registry(model), ALLOWED)
        return ALLOWED

    def forget(self, call: Call[object]) -> None:
        """Forget what may be otherwise after `call`: a name may mean another model then."""
        if _path(call.path).endswith(("/api/create", "/api/copy", "/api/pull", "/api/delete")):
            self._remotes.clear()
            self._is_local.clear()

    def _may_run(self, remote: str) -> bool:
        url = remote if "://" in remote else f"http://{remote}"
        return self._hosts.allows(url) or (self.settings.cloud_models and _is_cloud(url))


def denied_error(decision: EgressDecision, *, was_sent: bool = False) -> EgressDenied:
    """Make the error of a decision that refuses."""
    sent = "; what was sent has reached it" if was_sent else ""
    error = EgressDenied(f"egress: {decision.reason}{sent}; {decision.remedy}")
    error.rule, error.was_sent = decision.rule, was_sent
    return error


def is_cloud_name(model: str) -> bool:
    """Tell whether a model's name says that ollama.com runs it."""
    try:
        return split_source(model.strip())[1] == "cloud"
    except ConflictingSource:
        return True


def _sources(call: Call[object]) -> tuple[str, ...]:
    try:
        return named_in(call).sources
    except Unreadable:
        return ()


@functools.lru_cache(256)
def _path(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/")


def _denied(rule: str, reason: str, remedy: str) -> EgressDecision:
    return EgressDecision(allowed=False, rule=rule, reason=reason, remedy=f"to allow it, {remedy}")


def _passed_on(model: str, remote: str) -> EgressDecision:
    return _denied(
        "remote_model",
        f"the server passes model {model!r} on to {_bare(remote)}",
        "set cloud_models=True" if _is_cloud(remote) else f"add {_bare(remote)!r} to hosts",
    )


def _is_cloud(url: str) -> bool:
    return (urlsplit(url).hostname or "") == "ollama.com"


def _bare(url: str) -> str:
    """Give a URL's host and port, without credentials."""
    return urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]
