"""Pushes to a registry that stops reading."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from arriero.server.catalogue import shipped_models
from arriero.server.registry.messages import Answer, FilePart, Operation, Request, Stalled
from arriero.server.store import Store
from arriero.server.transfer.http import Http
from arriero.server.workers import Workers

from .conftest import QUICK, start
from .toy_registry import toy_registry

MORE_THAN_BUFFERS_HOLD = 64 * 1024 * 1024


def test_who_takes_nothing_is_given_up(tmp_path: Path) -> None:
    """What was written may lie in buffers for ever: only what is taken counts."""
    blob = tmp_path / "blob"
    with blob.open("wb") as file:
        file.truncate(MORE_THAN_BUFFERS_HOLD)

    def operation(port: int) -> Operation[Answer]:
        body = FilePart(blob, 0, MORE_THAN_BUFFERS_HOLD)
        return (yield Request("PATCH", f"http://127.0.0.1:{port}/blob", body=body))

    async def send(port: int) -> Answer:
        workers = Workers(1, "test-stall")
        http = Http(workers, stall_s=0.05)
        try:
            return await http.run(operation(port))
        finally:
            await http.close()
            workers.close()

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(Stalled, match=r'^Patch "http://.*/blob": nothing taken for 0\.05 s$'),
    ):
        asyncio.run(send(listener.getsockname()[1]))


@pytest.mark.slow
def test_a_push_ends_with_the_reason(tmp_path: Path) -> None:
    """After as many tries in a row as for any other failure."""
    with toy_registry() as toy:
        toy.is_deaf = True
        farm = start(tmp_path / "farm", replace(QUICK, stall_s=0.5))
        digest, _ = Store(farm.store).add_blob(shipped_models()["mini"].path.read_bytes())
        toy.answers[f"/v2/flock/ewe/blobs/{digest}"] = (200, {}, b"")
        model = f"{toy.host}/flock/ewe"
        made = {
            "model": model,
            "files": {"mini.gguf": digest},
            "license": "x" * MORE_THAN_BUFFERS_HOLD,
        }
        with farm.server:
            assert farm.ask("/api/create", made).records[-1] == {"status": "success"}
            error = farm.ask("/api/push", {"model": model, "insecure": True}).records[-1]["error"]

    assert error == f'max retries exceeded: Patch "http://{toy.host}/up": nothing taken for 0.5 s'
