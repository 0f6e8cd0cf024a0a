"""What the servers of this kit have in common: requests seen, faults, assertions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Self

from arriero.errors import MissingExtra, RequestError

from .matching import Match, Says
from .received import Received

if TYPE_CHECKING:
    from .faults import Fault
    from .host import App, Host


@dataclass(slots=True)
class _FaultRule:
    """When a fault happens, and how often still; None is always."""

    fault: Fault
    match: Match
    path: str | None
    when: Callable[[Received], bool] | None
    left: int | None

    def fits(self, request: Received) -> bool:
        return (
            self.left != 0
            and (self.path is None or self.path == request.path)
            and self.match.fits(request.question)
            and (self.when is None or self.when(request))
        )


class ControlledServer:
    """A server that remembers what it received and breaks when told to.

    Not made directly: see `ScriptedServer`, `FaultProxy` and `Cassette`. Methods may be called
    from any thread.
    """

    def __init__(self, host: str, port: int) -> None:
        require_extra()
        self._address = host, port
        self._lock = threading.Lock()
        self._requests: list[Received] = []
        self._faults: list[_FaultRule] = []
        self._host: Host | None = None
        self._closed = False

    # -- life

    def start(self) -> Self:
        """Begin to listen; it answers when this returns. Harmless when done already.

        Raises:
            RequestError: the address is taken, or the server has been closed.
        """
        from .host import Host

        if self._closed:
            raise RequestError("the server is closed; make another")
        if self._host is None:
            self._host = Host(self._make_app, self._received, *self._address)
        return self

    def close(self) -> None:
        """Break off every request and stop. Harmless when done already."""
        self._closed = True
        if self._host is not None:
            self._host.close()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:40213``."""
        return self._running.url

    @property
    def port(self) -> int:
        """Port it listens on."""
        return self._running.port

    # -- faults

    def fault(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        path: str | None = None,
        model: str | None = None,
        says: Says | None = None,
        tool: str | None = None,
        result_of: str | None = None,
        when: Callable[[Received], bool] | None = None,
    ) -> None:
        """Let answers go wrong.

        Faults are tried in the order they were added; the first that is meant happens.

        Args:
            fault: What happens, see `arriero.testing.faults`.
            times: To how many requests; None is to all.
            path: Only to requests for this path; None leaves it to the fault.
            model: Only to requests that name this model; see `Match`, as the three after it.
            says: Only where the last message says this.
            tool: Only where this tool is offered.
            result_of: Only where the result of this tool comes back.
            when: Only where this function says so.

        Raises:
            RequestError: `times` is below 1, or `model` is no name.
        """
        if times is not None and times < 1:
            raise RequestError(f"times must be at least 1, or None for always, not {times}")
        match = Match(model, says, tool, result_of)
        with self._lock:
            self._faults.append(_FaultRule(fault, match, path or fault.path, when, times))

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def refusing(self) -> Generator[None]:
        """Refuse connections inside the block, and break the ones there are.

        Raises:
            RequestError: somebody else took the port meanwhile.
        """
        self._running.refuse()
        try:
            yield
        finally:
            self._running.accept()

    # -- what was received

    @property
    def requests(self) -> Sequence[Received]:
        """Every request so far, in order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def requests_with(
        self,
        *,
        path: str | None = None,
        model: str | None = None,
        says: Says | None = None,
        tool: str | None = None,
        result_of: str | None = None,
    ) -> Sequence[Received]:
        """Give the requests that are like this, in order. See `fault` for the arguments."""
        match = Match(model, says, tool, result_of)
        return [
            one
            for one in self.requests
            if (path is None or one.path == path) and match.fits(one.question)
        ]

    def assert_received(
        self,
        times: int | None = None,
        *,
        path: str | None = None,
        model: str | None = None,
        says: Says | None = None,
        tool: str | None = None,
        result_of: str | None = None,
    ) -> Sequence[Received]:
        """Check that there were requests like this, and give them.

        Args:
            times: How many; None is at least one.
            path: See `fault`, as the arguments after it.
            model: Name of the model.
            says: What the last message says.
            tool: A tool on offer.
            result_of: The tool whose result came back.

        Raises:
            AssertionError: there were none, or not as many; the message lists all requests.
        """
        found = self.requests_with(
            path=path, model=model, says=says, tool=tool, result_of=result_of
        )
        if bool(found) if times is None else len(found) == times:
            return found
        wanted = "at least one request" if times is None else f"{times} request(s)"
        like = str(Match(model, says, tool, result_of)) or "anything"
        where = "" if path is None else f" for {path}"
        listed = "".join(f"\n  {one}" for one in self.requests) or " none"
        raise AssertionError(
            f"expected {wanted}{where} with {like}, got {len(found)}; received:{listed}"
        )

    # -- for subclasses

    @property
    def _running(self) -> Host:
        if self._host is None:
            raise RequestError("the server is not running: use it in a `with` block, or start() it")
        return self._host

    def _make_app(self) -> App:
        """Make what answers; called once, on the event loop."""
        raise NotImplementedError

    def _received(self, request: Received) -> Fault | None:
        with self._lock:
            rules = tuple(self._faults)
        # Conditions are the user's code: they may ask this server what it received.
        rule = next((one for one in rules if one.fits(request)), None)
        with self._lock:
            if rule is not None and rule.left is not None:
                rule.left -= 1
            fault = None if rule is None else rule.fault
            self._requests.append(replace(request, fault="" if fault is None else str(fault)))
        return fault


def require_extra() -> None:
    """Fail early and clearly if the extra is not installed.

    Raises:
        MissingExtra: naming what to install.
    """
    if find_spec("h11") is None:
        raise MissingExtra("arriero.testing needs h11: pip install 'arriero[testing]'")
