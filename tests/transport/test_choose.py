"""Which adapter a client gets, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from arriero._transport.choose import async_transport_for, transport_for
from arriero._transport.interface import TransportSettings
from arriero.errors import RequestError

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


@pytest.mark.parametrize(
    ("choose", "loaded"),
    [
        ("", set()),
        ("transport_for(None, TransportSettings())", {"urllib3"}),
        ("async_transport_for(None, TransportSettings())", set[str]()),
    ],
)
def test_only_the_library_in_use_is_imported(choose: str, loaded: set[str]) -> None:
    """Importing a library costs more than a hundred milliseconds."""
    program = (
        "import sys\n"
        "from arriero._transport.choose import *\n"
        f"{choose}\n"
        "print(*{'urllib3', 'httpx', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == loaded
