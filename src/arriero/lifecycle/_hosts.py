"""What both drivers share: clients by host, the journal, and what a rollout ends in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from arriero.errors import ApplyFailed, RequestError
from arriero.lifecycle.applying import Report
from arriero.lifecycle.journal import Change, Journal
from arriero.lifecycle.plan import Plan
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.wanted import Wanted

C = TypeVar("C")


class HostsBase(Generic[C]):
    """Clients by host, and a journal.

    Args:
        clients: One for each host, or a single one. They stay the caller's to close.
        journal: Where changes are recorded; None takes the user's own, see `Journal`.

    Raises:
        RequestError: there is no client, or there are two for one host.
    """

    def __init__(self, clients: C | Iterable[C], *, journal: Journal | None = None) -> None:
        given: Any = clients
        many: list[Any] = [given] if hasattr(given, "host") else list(given)
        self._clients: dict[str, Any] = {}
        for client in many:
            if client.host in self._clients:
                raise RequestError(f"there are two clients for {client.host}")
            self._clients[client.host] = client
        if not self._clients:
            raise RequestError("clients: at least one is needed")
        self.journal = Journal() if journal is None else journal

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts there are clients for."""
        return tuple(self._clients)

    def _client(self, host: str) -> Any:
        if host not in self._clients:
            raise RequestError(f"there is no client for {host}; there are {', '.join(self.hosts)}")
        return self._clients[host]

    def _host_of(self, wanted: Wanted, model: str) -> str:
        """Give the first host a model belongs on."""
        for host in self.hosts:
            if any(one.name == model for one in wanted.on(host)):
                return host
        raise RequestError(
            f"{model} belongs on {', '.join(wanted.models[model].hosts or ())}, and there is no"
            " client for any of them"
        )


def reported(rollout: Rollout[list[Change]]) -> Report:
    """Give what became of a rollout.

    Raises:
        ApplyFailed: a host failed; its `report` says what became of the others.
    """
    changes = [change for made in rollout.results.values() for change in made]
    for error in rollout.failures.values():
        partial: object = error.partial
        if isinstance(partial, tuple):
            changes += cast("tuple[Change, ...]", partial)
    report = Report(tuple(changes), dict(rollout.failures), rollout.skipped)
    if not report.ok:
        first = next(iter(rollout.failures.values()), None)
        raise ApplyFailed(_told(rollout.failures, rollout.skipped), report) from first
    return report


def _told(failures: Mapping[str, Exception], skipped: Iterable[str]) -> str:
    told = "; ".join(f"{host}: {error}" for host, error in failures.items())
    left = ", ".join(skipped)
    return f"{told}. The old models go on serving there{f'. Not begun: {left}' if left else ''}"


def require_allowed(plan: Plan) -> None:
    """Refuse a plan with a step that may not be taken. Raises `RequestError`."""
    if plan.refused:
        told = "; ".join(
            f"{step.model} on {step.host}: {', '.join(step.reasons)}" for step in plan.refused
        )
        raise RequestError(f"nothing was done, as the plan has what is refused: {told}")
