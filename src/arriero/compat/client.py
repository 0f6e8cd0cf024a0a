"""The clients of the shim: arriero's own, with the private parts that others reach into."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from arriero._async.client import AsyncClient as OurAsyncClient
from arriero._core.calls import Call
from arriero._core.governed import whole
from arriero._core.host import parse_host
from arriero._core.requesting import images_loaded
from arriero._default import DefaultClient as OurDefaultClient
from arriero._drive.async_stream import AsyncStream
from arriero._drive.blocking import warn_if_in_loop
from arriero._drive.configured import Configured
from arriero._drive.stream import Stream
from arriero._sync.client import Client as OurClient
from arriero.compat.seam import arguments_of, call_of, filled
from arriero.compat.view import View
from arriero.errors import ConnectFailed
from arriero.settings import CallPolicy

if TYPE_CHECKING:
    from arriero._core.effects import Operation
    from arriero._transport.interface import AbortHandle, Answer, AsyncAnswer

T = TypeVar("T")

CONNECTION_ERROR_MESSAGE = (
    "Failed to connect to Ollama. Please check that Ollama is downloaded, running and accessible."
    " https://ollama.com/download"
)
"""Part of the text of every `ConnectFailed` here; programs look for it."""


def _seen(client: type[Configured], call: Call[Any]) -> Call[Any]:
    """Give `call`, marked if a tracer has put itself around ``_request`` or its method."""
    places = ("_request", call.path.rpartition("/")[2])
    if any(hasattr(vars(client).get(name), "__wrapped__") for name in places):
        return msgspec.structs.replace(call, is_traced=True)
    return call


def _recognisable(error: ConnectFailed) -> None:
    """Put the text that programs look for into an error, beside what happened."""
    reason = str(error.args[0]) if error.args else ""
    if CONNECTION_ERROR_MESSAGE not in reason:
        error.args = (f"{CONNECTION_ERROR_MESSAGE} ({reason})",)


class BaseClient(Configured):
    """What the two clients have in common, under the name the `ollama` package gives it."""

    _view: View | None = None

    @property
    def _client(self) -> Any:
        """An httpx client of the same settings; see `arriero.compat.view`.

        Setting it sends all later calls over the client given, to its ``base_url``.

        Raises:
            MissingExtra: httpx is not installed.
        """
        if self._given_client is not None:
            return self._given_client
        if self._view is None:
            self._view = View(self._httpx_class, self._arguments, self._setup)
            if self._closed:
                self._view.close_unused()
        return self._view.client

    @_client.setter
    def _client(self, client: Any) -> None:
        # First, because a default client that was never used configures itself here.
        target = self._target
        self._given_client = client
        self._view = None
        self._forget_transport()
        url = str(getattr(client, "base_url", ""))
        if url:
            self._target = dataclasses.replace(target, base=parse_host(url))

    def _forget_transport(self) -> None:
        raise NotImplementedError

    def _look_at_view(self) -> None:
        if self._view is not None:
            self._target = self._view.applied(self._target)


class Client(BaseClient, OurClient):
    """`arriero.Client` with ``_request`` and ``_client``."""

    def _forget_transport(self) -> None:
        # Not set to None, which is what a closed client has.
        transport = self.__dict__.pop("_transport", None)
        if transport is not None:
            transport.close()

    def _run(self, call: Call[Any], policy: CallPolicy | None = None) -> Any:
        if "asyncio" in sys.modules:
            warn_if_in_loop()
        call = filled(call)
        if call.slots:  # read here, so that a wrapper sees the request as it is sent
            call = self._drive(images_loaded(call))
        args, keywords = arguments_of(call)
        if policy is not None:
            keywords["policy"] = policy
        return self._request(*args, **keywords)

    def _perform(
        self, operation: Operation[T], handle: AbortHandle | None
    ) -> tuple[T, Answer | None]:
        try:
            return super()._perform(operation, handle)
        except ConnectFailed as error:
            _recognisable(error)
            raise

    def _request(
        self,
        cls: Any,
        *args: Any,
        stream: bool = False,
        policy: CallPolicy | None = None,
        **kwargs: Any,
    ) -> Any:
        """Make a call: what `chat` and the others end in, and what instrumentation wraps.

        Args:
            cls: Class of the answer, or of its records.
            *args: Method and path.
            stream: True gives a `Stream`, which sends when it is first read.
            policy: Only there if the call named one.
            **kwargs: ``json``, the body; ``content``, ``headers``, ``params`` and
                ``timeout`` as `httpx.Client.request` takes them.
        """
        call = _seen(Client, call_of(cls, args, stream=stream, keywords=kwargs))
        self._look_at_view()
        if call.stream:
            return Stream(self, call, policy)
        return self._drive(whole(call, self._target, policy))

    def close(self) -> None:
        """As `arriero.Client.close`; closes ``_client`` too."""
        super().close()
        if self._view is not None:
            self._view.client.close()


class AsyncClient(BaseClient, OurAsyncClient):
    """`arriero.AsyncClient` with ``_request`` and ``_client``."""

    def _forget_transport(self) -> None:
        transports, self._transports = self._transports, None
        for transport in list((transports or {}).values()):
            transport.discard()

    async def _run(self, call: Call[Any], policy: CallPolicy | None = None) -> Any:
        call = filled(call)
        if call.slots:
            call = await self._drive(images_loaded(call))
        args, keywords = arguments_of(call)
        if policy is not None:
            keywords["policy"] = policy
        return await self._request(*args, **keywords)

    async def _perform(self, operation: Operation[T]) -> tuple[T, AsyncAnswer | None]:
        try:
            return await super()._perform(operation)
        except ConnectFailed as error:
            _recognisable(error)
            raise

    async def _request(
        self,
        cls: Any,
        *args: Any,
        stream: bool = False,
        policy: CallPolicy | None = None,
        **kwargs: Any,
    ) -> Any:
        """As `Client._request`; awaited, it gives an `AsyncStream` for a stream."""
        call = _seen(AsyncClient, call_of(cls, args, stream=stream, keywords=kwargs))
        self._look_at_view()
        if call.stream:
            return AsyncStream(self, call, policy)
        return await self._drive(whole(call, self._target, policy))

    async def close(self) -> None:
        """As `arriero.AsyncClient.close`; closes ``_client`` too."""
        await super().close()
        if self._view is not None:
            await self._view.client.aclose()


class DefaultClient(Client, OurDefaultClient):
    """The client behind the functions of the shim; reads the environment when first used."""

    def __reduce__(self) -> tuple[Any, ...]:
        return DefaultClient, ()
