"""Blobs that arrive in parts."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.store import Partial, Store
from arriero.server.store.parts import Part, decode_part, joined

DATA = random.Random(3).randbytes(1000)
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def fresh() -> Sequence[Part]:
    """Three parts to begin with."""
    return [Part(0, 0, 400), Part(1, 400, 400), Part(2, 800, 200)]


def opened(folder: Path, total: int = 1000) -> Partial:
    """The partial file, taken."""
    store = Store(folder)
    partial = store.partial(DIGEST)
    assert partial.open(total, fresh)
    return partial


def completed(folder: Path, total: int = 1000) -> list[int]:
    """What each part of the file has, looked at and let go again."""
    partial = opened(folder, total)
    partial.close()
    return [part.completed for part in partial.parts]


def fill(partial: Partial, upto: int) -> None:
    """Write as much of each part as there is of the first bytes of the blob."""
    for part in partial.parts:
        end = min(part.end, upto)
        if end > part.next_byte:
            partial.write(part, DATA[part.next_byte : end])


def names(folder: Path) -> set[str]:
    """What is in the blobs' folder, without the digest."""
    hexes = DIGEST[7:]
    return {path.name.replace(hexes, "X") for path in (folder / "blobs").iterdir()}


def test_a_download_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """In each of its parts."""
    first = opened(tmp_path)
    first.write(first.parts[0], DATA[:100])
    first.write(first.parts[2], DATA[800:])
    first.close()

    second = opened(tmp_path)

    assert [part.completed for part in second.parts] == [100, 0, 200]
    assert second.completed == 300
    fill(second, 1000)
    assert second.hash(lambda: True) == DIGEST
    second.commit()
    assert Store(tmp_path).read_blob(DIGEST) == DATA
    assert names(tmp_path) == {"sha256-X"}


def test_files_and_records_are_ollamas(tmp_path: Path) -> None:
    """Its size from the start, and a record per part that Ollama reads."""
    partial = opened(tmp_path)
    partial.write(partial.parts[1], DATA[400:450])
    partial.close()

    assert names(tmp_path) == {"sha256-X-partial", *(f"sha256-X-partial-{n}" for n in range(3))}
    file = tmp_path / "blobs" / f"sha256-{DIGEST[7:]}-partial"
    assert file.stat().st_size == 1000
    record = json.loads(Path(f"{file}-1").read_text())
    assert record == {"N": 1, "Offset": 400, "Size": 400, "Completed": 50}


def test_a_record_of_ollamas_is_gone_on_with(tmp_path: Path) -> None:
    """Written by Go: shorter, without our padding."""
    opened(tmp_path).close()
    file = tmp_path / "blobs" / f"sha256-{DIGEST[7:]}-partial"
    Path(f"{file}-1").write_text('{"N":1,"Offset":400,"Size":400,"Completed":7}\n')

    assert completed(tmp_path) == [0, 7, 0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: Path(f"{file}-1").unlink(),
        lambda file: Path(f"{file}-1").write_text(""),
        lambda file: Path(f"{file}-1").write_text('{"N":1,"Offset":400,"Size":'),
        lambda file: Path(f"{file}-3").write_text('{"N":3,"Offset":1000,"Size":5,"Completed":0}'),
        lambda file: Path(f"{file}-0").write_text('{"N":0,"Offset":0,"Size":400,"Completed":401}'),
        lambda file: file.unlink(),
        lambda file: os.truncate(file, 10),
    ],
)
def test_records_that_do_not_fit_are_not_believed(tmp_path: Path, spoil: object) -> None:
    """It begins anew rather than put bytes in the wrong place."""
    partial = opened(tmp_path)
    fill(partial, 500)
    partial.close()
    spoil(tmp_path / "blobs" / f"sha256-{DIGEST[7:]}-partial")  # type: ignore[operator]

    assert completed(tmp_path) == [0, 0, 0]


def test_a_blob_of_another_size_begins_anew(tmp_path: Path) -> None:
    """The manifest counts."""
    partial = opened(tmp_path)
    fill(partial, 500)
    partial.close()

    assert completed(tmp_path, total=999) == [0, 0, 0]


def test_one_at_a_time_works_on_it(tmp_path: Path) -> None:
    """Others are told, and get it when it is let go."""
    first = opened(tmp_path)
    second = Store(tmp_path).partial(DIGEST)

    assert not second.open(1000, fresh)
    fill(first, 300)
    assert second.progress() == 300
    first.close()
    assert second.open(1000, fresh)
    second.close()


def test_who_waited_for_a_finished_blob_does_not_begin_anew(tmp_path: Path) -> None:
    """And leaves no file."""
    partial = opened(tmp_path)
    fill(partial, 1000)
    partial.commit()

    assert not Store(tmp_path).partial(DIGEST).open(1000, fresh)
    assert names(tmp_path) == {"sha256-X"}


def test_closed_before_it_was_opened_it_stays_closed(tmp_path: Path) -> None:
    """A pull may be left while its file is being opened on another thread."""
    partial = Store(tmp_path).partial(DIGEST)
    partial.close()

    assert not partial.open(1000, fresh)
    assert not partial.is_open


def test_what_is_thrown_away_is_gone(tmp_path: Path) -> None:
    """With its records, and the next one begins anew."""
    partial = opened(tmp_path)
    fill(partial, 1000)
    partial.remove()

    assert names(tmp_path) == set()
    assert completed(tmp_path) == [0, 0, 0]


def test_reading_it_through_can_be_stopped(tmp_path: Path) -> None:
    """A server that closes does not wait for a file of many gigabytes."""
    partial = opened(tmp_path)
    with pytest.raises(InterruptedError):
        partial.hash(lambda: False)
    partial.close()


def aged(folder: Path, days: float) -> None:
    """Make everything in the blobs' folder older."""
    then_s = time.time() - days * 24 * 3600
    for path in (folder / "blobs").iterdir():
        os.utime(path, (then_s, then_s))


class TestCleaning:
    """What a start does with downloads nobody has finished."""

    def test_a_recent_one_stays(self, tmp_path: Path) -> None:
        """It may be gone on with."""
        opened(tmp_path).close()
        aged(tmp_path, 6.9)
        Store(tmp_path).clean()
        assert len(names(tmp_path)) == 4

    def test_a_forgotten_one_goes(self, tmp_path: Path) -> None:
        """With its records, after a week."""
        opened(tmp_path).close()
        aged(tmp_path, 7.1)
        Store(tmp_path).clean()
        assert names(tmp_path) == set()

    def test_one_that_runs_stays(self, tmp_path: Path) -> None:
        """However long it has been waiting for a byte."""
        partial = opened(tmp_path)
        aged(tmp_path, 30)
        Store(tmp_path).clean()
        assert len(names(tmp_path)) == 4
        partial.close()

    def test_records_alone_go_too(self, tmp_path: Path) -> None:
        """A kill between the blob's name and its records leaves them behind."""
        opened(tmp_path).close()
        (tmp_path / "blobs" / f"sha256-{DIGEST[7:]}-partial").unlink()
        Store(tmp_path).clean()
        assert len(names(tmp_path)) == 3
        aged(tmp_path, 7.1)
        Store(tmp_path).clean()
        assert names(tmp_path) == set()

    def test_nothing_goes_where_nothing_is_to_be_pruned(self, tmp_path: Path) -> None:
        """Whoever says so keeps downloads too."""
        opened(tmp_path).close()
        aged(tmp_path, 30)
        Store(tmp_path).clean(prune=False)
        assert len(names(tmp_path)) == 4


@given(st.binary(max_size=80))
def test_any_record_can_be_read(data: bytes) -> None:
    """What is none is None."""
    found = decode_part(data)
    assert found is None or found.completed >= 0


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    completed=st.data(),
)
def test_records_are_put_in_order(sizes: list[int], completed: st.DataObject) -> None:
    """From any order on disk, and each comes back as it was written."""
    parts = [
        Part(at, sum(sizes[:at]), size, completed.draw(st.integers(0, size)))
        for at, size in enumerate(sizes)
    ]
    written = completed.draw(st.permutations([part.encode() for part in parts]))

    assert joined(map(decode_part, written), sum(sizes)) == parts
    assert joined(map(decode_part, written), sum(sizes) + 1) is None
    assert joined(map(decode_part, written[1:]), sum(sizes)) is None


def test_a_record_has_one_length() -> None:
    """So that a shorter one overwrites a longer one whole."""
    small, large = Part(0, 0, 1), Part(10**6, 10**15, 10**15, 10**15)
    assert len(small.encode()) == len(large.encode())
