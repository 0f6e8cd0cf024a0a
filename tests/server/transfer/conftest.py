"""A real registry for the whole room, with models in it that tests may pull."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from arriero.server import Server, serve
from arriero.server.app import VERSION, Application, load_within
from arriero.server.catalogue import FixedCatalogue
from arriero.server.listening import listen
from arriero.server.registry.pace import Pace
from arriero.server.settings import Scheduling
from arriero.server.store import Store
from arriero.server.transfer.models import RegistryTransfers

from ..conftest import Answer, ask_server
from .bad_line import BadLine, bad_line
from .real_registry import RealRegistry, real_registry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry that lets everybody in."""
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@dataclass
class Farm:
    """A server with a store of its own.

    Attributes:
        server: The server.
        store: Folder of its store.
    """

    server: Server
    store: Path

    def ask(self, path: str, body: object, method: str = "POST") -> Answer:
        """Ask it something."""
        return ask_server(self.server, method, path, body)

    def names(self) -> set[str]:
        """The models of its store."""
        listed = self.ask("/api/tags", None, "GET").json["models"]
        return {model["name"] for model in listed}

    def pull(self, name: str) -> Answer:
        """Pull a model over plain HTTP."""
        return self.ask("/api/pull", {"model": name, "insecure": True})

    def litter(self) -> list[str]:
        """Files in the store that belong to no finished blob."""
        blobs = self.store / "blobs"
        found = sorted(path.name for path in blobs.iterdir()) if blobs.exists() else []
        return [name for name in found if len(name) != len("sha256-") + 64]


def start(store: Path, pace: Pace | None = None) -> Farm:
    """Start a server on a store, with small parts and short waits if nothing else is said."""
    opened = Store(store)
    opened.clean()
    transfers = RegistryTransfers(opened, VERSION, pace=pace or QUICK)
    app = Application(
        FixedCatalogue([]), Scheduling(), load_within, store=opened, transfers=transfers
    )
    return Farm(Server(app, listen("127.0.0.1", 0)), store)


QUICK = Pace(
    least_part_bytes=300_000,
    streams=4,
    first_wait_s=0.002,
    stall_s=5,
    tick_s=0.005,
    look_s=0.005,
)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Farm]:
    """A server without models that cuts blobs into small parts and does not wait long."""
    farm = start(tmp_path / "farm")
    with farm.server:
        yield farm


@pytest.fixture
def line(registry: RealRegistry) -> Iterator[BadLine]:
    """A line to the registry."""
    with bad_line(registry.host) as found:
        yield found


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A server without models."""
    with serve(models=[], store=tmp_path / "farm") as server:
        yield Farm(server, tmp_path / "farm")


@pytest.fixture(scope="session")
def pushed(registry: RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a model in the registry, made of the weights of the package and two layers.

    Everybody pulls it and nobody else pushes it: what is pushed as recorded is `library/mini`.
    """
    name = f"{registry.host}/library/flock"
    with serve(store=tmp_path_factory.mktemp("pushing") / "store") as server:
        made = {"model": name, "from": "mini", "system": "Spit.", "license": "Grass."}
        assert ask_server(server, "POST", "/api/create", made).status == 200
        answer = ask_server(server, "POST", "/api/push", {"model": name, "insecure": True})
        assert answer.records[-1] == {"status": "success"}, answer.body
    return name
