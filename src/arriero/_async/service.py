"""`AsyncClient`, third part: the server, the account, the web tools, calls unknown here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

from arriero._core.api import service
from arriero._core.api.arguments import KeepAlive
from arriero._drive.async_stream import AsyncStream
from arriero._drive.tasks import AsyncBase
from arriero.settings import CallPolicy, Timeouts
from arriero.types.raw import RawRecord, RawResponse
from arriero.types.service import (
    MeResponse,
    ServerStatusResponse,
    SystemOneContent,
    SystemOneResponse,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
)


class ServiceCalls(AsyncBase):
    """Calls about the server and what stands behind it."""

    async def version(
        self, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> VersionResponse:
        """Tell the server's version."""
        result: VersionResponse = await self._run(service.version(timeouts=timeouts), policy)
        return result

    async def status(
        self, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> ServerStatusResponse:
        """Tell whether the server may use models that run elsewhere."""
        result: ServerStatusResponse = await self._run(service.status(timeouts=timeouts), policy)
        return result

    async def me(
        self, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> MeResponse:
        """Tell the account the server is signed in with.

        Raises:
            AccessDenied: it is not; ``error.signin_url`` says where to.
        """
        result: MeResponse = await self._run(service.me(timeouts=timeouts), policy)
        return result

    async def web_search(
        self,
        query: str,
        max_results: int = 3,
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> WebSearchResponse:
        """Search the web through ollama.com.

        Args:
            query: What to look for. It leaves this machine.
            max_results: 1 to 10.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            RequestError: `OLLAMA_API_KEY` was not set when the client was made.
        """
        result: WebSearchResponse = await self._run(
            service.web_search(query, max_results, api_key=self._setup.api_key, timeouts=timeouts),
            policy,
        )
        return result

    async def web_fetch(
        self, url: str, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> WebFetchResponse:
        """Fetch a page through ollama.com.

        Args:
            url: Address of the page. It leaves this machine.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            RequestError: `OLLAMA_API_KEY` was not set when the client was made.
        """
        result: WebFetchResponse = await self._run(
            service.web_fetch(url, api_key=self._setup.api_key, timeouts=timeouts), policy
        )
        return result

    async def systemone(
        self,
        model: str,
        state: SystemOneContent,
        questions: Mapping[str, Any],
        keep_alive: KeepAlive | None = None,
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> SystemOneResponse:
        """Have a System One model answer choice, true-or-false and score questions.

        Args:
            model: Name with optional tag.
            state: What the questions are about.
            questions: By name: `SystemOneQuestion` values or dicts.
            keep_alive: As for `chat`.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.
        """
        result: SystemOneResponse = await self._run(
            service.systemone(model, state, questions, keep_alive, timeouts=timeouts), policy
        )
        return result

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: Literal[False] = False,
        check: bool = True,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> RawResponse: ...

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: Literal[True],
        check: bool = True,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> AsyncStream[RawRecord]: ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        check: bool = True,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Any:
        """Make a call this package knows nothing of, with all of its governance.

        Args:
            method: Such as ``POST``.
            path: Begins with a slash; the host's own prefix is put before it.
            json: Body, written as JSON.
            content: Body, as it is.
            headers: For this call; they win over the client's.
            stream: True reads the answer as lines of JSON.
            check: False gives answers outside 200-299 instead of raising `StatusError`.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.
        """
        return await self._run(
            service.request(
                method,
                path,
                json=json,
                content=content,
                headers=headers,
                stream=stream,
                check=check,
                timeouts=timeouts,
            ),
            policy,
        )
