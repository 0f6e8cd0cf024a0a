"""Fixtures for pytest, which finds them by itself.

Nothing but pytest is imported until a fixture is used, so having this installed costs a test
run nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from arriero.server import Server

    from .scripted import ScriptedServer

ScriptedServerFactory: TypeAlias = "Callable[..., ScriptedServer]"
"""Takes the arguments of `ScriptedServer`; gives a running one that ends with the test."""


@pytest.fixture
def ollama_server() -> Iterator[ScriptedServer]:
    """A running `ScriptedServer`. A question that no rule was for fails the test."""
    from .scripted import ScriptedServer

    with ScriptedServer() as server:
        yield server
    server.assert_all_answered()


@pytest.fixture
def ollama_server_factory() -> Iterator[ScriptedServerFactory]:
    """Make as many `ScriptedServer` as needed; they end with the test."""
    with ExitStack() as servers:
        yield _factory(servers)


@pytest.fixture(scope="session")
def ollama_session_server_factory() -> Iterator[ScriptedServerFactory]:
    """The same, for servers that live as long as the test run."""
    with ExitStack() as servers:
        yield _factory(servers)


@pytest.fixture(scope="session")
def real_ollama_server() -> Iterator[Server]:
    """The embedded server with the small models of this package, for the whole test run.

    Skips the test if the extra ``server`` is not installed.
    """
    from arriero.errors import MissingExtra
    from arriero.server import serve

    try:
        server = serve()
    except MissingExtra as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
def ollama_host(ollama_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set ``OLLAMA_HOST`` to `ollama_server` for this test, and give its URL.

    It is also set for programs the test starts. A client made before does not see it.
    """
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    return ollama_server.url


def _factory(servers: ExitStack) -> ScriptedServerFactory:
    def make(*args: Any, **settings: Any) -> ScriptedServer:
        from .scripted import ScriptedServer

        return servers.enter_context(ScriptedServer(*args, **settings))

    return make
