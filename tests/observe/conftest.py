"""What the tests of telemetry share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arriero.testing import ScriptedServer

from .seen import Seen


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Give what is seen."""
    made = Seen()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Run a server that answers."""
    with ScriptedServer() as running:
        running.on().reply(["canary ", "answer"])
        yield running
