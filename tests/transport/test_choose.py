"""Which adapter a client gets, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from arriero._transport.choose import async_transport_for, transport_for
from arriero._transport.interface import TransportSettings
from arriero.errors import RequestError
from tests.transport.certificates import Certificates
from tests.transport.peer import Peer, answering, whole

SETTINGS = TransportSettings()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_clients_of_both_httpx_are_taken(library: str) -> None:
    """Also of classes derived from them; none is closed that is not ours."""
    module: Any = pytest.importorskip(library)

    class Derived(module.Client):  # type: ignore[misc]
        pass

    for client in (module.Client(verify=False), Derived(verify=False)):
        transport = transport_for(client, SETTINGS)
        transport.close()
        assert not client.is_closed
        transport = transport_for(client, SETTINGS, owned=True)
        transport.close()
        assert client.is_closed


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_wrong_colour_is_refused(library: str) -> None:
    """The message says what to pass instead."""
    module: Any = pytest.importorskip(library)
    with pytest.raises(RequestError, match=rf"{library}\.AsyncClient.*pass an httpx\.Client"):
        transport_for(module.AsyncClient(verify=False), SETTINGS)
    with module.Client(verify=False) as client:
        with pytest.raises(RequestError, match=rf"{library}\.Client.*pass an httpx\.AsyncClient"):
            async_transport_for(client, SETTINGS)


@pytest.mark.parametrize("thing", [object(), "http://proxy", 5, {"verify": False}])
def test_other_things_are_refused(thing: object) -> None:
    """What is no client cannot send."""
    with pytest.raises(RequestError, match="http_client="):
        transport_for(thing, SETTINGS)
    with pytest.raises(RequestError, match="http_client="):
        async_transport_for(thing, SETTINGS)


def test_a_class_in_place_of_a_client_is_refused() -> None:
    """A forgotten pair of brackets is called by its name."""
    httpx: Any = pytest.importorskip("httpx")
    with pytest.raises(RequestError, match=r"the class httpx\.Client"):
        transport_for(httpx.Client, SETTINGS)


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(
    ("call", "loaded", "loaded_for_tls"),
    [
        ("arriero.Client(HOW).list()", "", "ssl logging urllib3"),
        (
            "import asyncio; asyncio.run(arriero.AsyncClient(HOW).list())",
            "asyncio ssl logging",
            "asyncio ssl logging",
        ),
    ],
    ids=["sync", "async"],
)
def test_a_first_call_imports_what_it_needs(
    call: str, loaded: str, loaded_for_tls: str, certificates: Certificates, *, is_tls: bool
) -> None:
    """urllib3 takes a fifth of a first call, which needs it for TLS and proxies only."""
    tls = certificates.server() if is_tls else None
    with Peer(answering(whole(b'{"models": []}')), tls=tls) as peer:
        how = f"{peer.url!r}, tls=arriero.Tls(verify=False)" if is_tls else repr(peer.url)
        program = (
            f"import sys, arriero\n{call.replace('HOW', how)}\n"
            "heavy = {'aiohttp', 'asyncio', 'httpx', 'logging', 'ssl', 'urllib3'}\n"
            "print(*heavy & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
    assert set(done.stdout.split()) == set((loaded_for_tls if is_tls else loaded).split())
