"""Uploads that are cut, against registries that say how much they have."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from arriero.server.registry.messages import Answer, FilePart, Lost, Operation, TransferFailed
from arriero.server.registry.pace import Pace
from arriero.server.store import Layer
from arriero.server.transfer.upload import Upload
from arriero.server.workers import Workers

from ..registry.script import Played, answer, play, session

CUT = Lost("EOF")
BEGUN = [answer(404), answer(202, location="/up/1")]
TAKEN = answer(202, location="/up/2")
PACE = Pace(least_part_bytes=600, streams=1, most_part_bytes=600, first_wait_s=0.0)


class Scripted:
    """Answers the operations of an upload in order."""

    def __init__(self, *answers: Answer | Lost) -> None:
        self.left = list(answers)
        self.played = Played()

    async def run(self, operation: Operation[Any], sent: object = None) -> Any:
        """Give each operation one answer."""
        one = play(operation, [self.left.pop(0)])
        self.played.requests += one.requests
        if one.error is not None:
            raise one.error
        return one.result

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """What was sent: where it began, and how much."""
        bodies = [one.body for one in self.played.requests]
        return [(one.offset, one.size_bytes) for one in bodies if isinstance(one, FilePart)]


def upload(folder: Path, *answers: Answer | Lost) -> Scripted:
    """Upload 1000 bytes to a registry that gives these answers, all of them."""
    (folder / "blob").write_bytes(bytes(1000))
    http, workers = Scripted(*answers), Workers(1, "test-upload")
    layer = Layer("model", f"sha256:{'a' * 64}", 1000)

    async def tell(completed: int) -> None:
        assert 0 <= completed <= 1000

    async def run() -> None:
        one = Upload(folder / "blob", layer, session(), http, workers, PACE)  # type: ignore[arg-type]  # plays it
        await one.run(tell)

    try:
        asyncio.run(run())
    finally:
        workers.close()
    assert not http.left
    return http


def test_a_blob_goes_in_parts(tmp_path: Path) -> None:
    """One after the other, then the registry is told that this was all."""
    http = upload(tmp_path, *BEGUN, TAKEN, TAKEN, answer(201))
    assert http.ranges == [(0, 600), (600, 400)]
    assert http.played.requests[-1].method == "PUT"


def test_what_is_there_is_not_sent(tmp_path: Path) -> None:
    """Nor what the registry takes over from another model."""
    assert upload(tmp_path, answer(200)).ranges == []
    assert upload(tmp_path, answer(404), answer(201)).ranges == []


def test_after_a_cut_the_rest_is_sent(tmp_path: Path) -> None:
    """From where the registry says it has its end."""
    has_250 = answer(204, range="0-249")
    http = upload(tmp_path, *BEGUN, CUT, has_250, TAKEN, TAKEN, answer(201))
    assert http.ranges == [(0, 600), (250, 350), (600, 400)]


def test_what_arrived_before_its_answer_was_lost_is_not_sent_again(tmp_path: Path) -> None:
    """The registry has the whole part."""
    has_600 = answer(204, range="0-599")
    http = upload(tmp_path, *BEGUN, CUT, has_600, TAKEN, answer(201))
    assert http.ranges == [(0, 600), (600, 400)]


def test_an_upload_the_registry_gave_up_begins_anew(tmp_path: Path) -> None:
    """From the first byte."""
    again = answer(202, location="/up/9")
    http = upload(tmp_path, *BEGUN, CUT, answer(404), again, TAKEN, TAKEN, answer(201))
    assert http.ranges == [(0, 600), (0, 600), (600, 400)]


def test_an_error_without_a_cut_is_one(tmp_path: Path) -> None:
    """A registry that does not want it is not asked twice."""
    with pytest.raises(TransferFailed, match="http status 400: no"):
        upload(tmp_path, *BEGUN, answer(400, b"no"))


def test_cuts_without_a_byte_between_them_end_it(tmp_path: Path) -> None:
    """As many as for a pull."""
    nothing = answer(204, range="0-0")
    with pytest.raises(TransferFailed, match="max retries exceeded: EOF"):
        upload(tmp_path, *BEGUN, *[CUT, nothing] * 5, CUT)


def test_a_last_answer_that_is_lost_may_mean_success(tmp_path: Path) -> None:
    """The registry is asked whether it has the blob now."""
    upload(tmp_path, *BEGUN, TAKEN, TAKEN, CUT, answer(200))
