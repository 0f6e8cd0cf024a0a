"""The journal: whole, in order, shared, and nobody's business."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from arriero.errors import RequestError
from arriero.lifecycle import Change, Journal, Load

ONE = Change("http://gpu1:11434", "m:latest", "pull", before="sha256:a", keeps=True)


def test_an_entry_is_what_was_written(tmp_path: Path) -> None:
    """With number, time and who, and from another object as well."""
    times = iter([10.0, 12.5])
    journal = Journal(tmp_path / "new" / "journal.db", clock=lambda: next(times))
    begun = journal.begin(ONE)
    assert (begun.id, begun.state, begun.began_s, begun.duration_s) == (1, "begun", 10.0, None)
    done = journal.advance(begun, "done", after="sha256:b")
    assert (done.duration_s, done.after, done.is_open) == (2.5, "sha256:b", False)
    assert Journal(journal.path).entries() == [done] == [Journal(journal.path).entry(1)]


def test_entries_are_found(journal: Journal) -> None:
    """By host, model, and whether they are open; the newest first."""
    first = journal.begin(ONE)
    second = journal.advance(journal.begin(Change("h", "n:latest", "copy")), "done")
    assert journal.entries() == [second, first]
    assert journal.entries(limit=1) == [second]
    assert journal.entries(model="m:latest") == journal.entries(only_open=True) == [first]
    assert journal.entries(host="h", only_open=True) == []
    with pytest.raises(RequestError, match="no entry 9"):
        journal.entry(9)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    """Asking what happened is no happening."""
    journal = Journal(tmp_path / "no" / "journal.db")
    assert (journal.entries(), journal.loads("h")) == ([], [])
    assert not journal.path.parent.exists()


def test_threads_and_objects_share_it(tmp_path: Path) -> None:
    """Each entry has a number of its own, also where the file is made by several at once."""
    path = tmp_path / "journal.db"
    ids: list[int] = []

    def write() -> None:
        journal = Journal(path, durable=False)
        ids.extend(journal.begin(ONE).id for _ in range(5))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(1, 21))


def test_one_claims_it_at_a_time(journal: Journal) -> None:
    """Entries can be written and read meanwhile."""
    with journal.claim():
        assert journal.begin(ONE).id == 1
        with pytest.raises(RequestError, match="another process"), Journal(journal.path).claim():
            pass
    with journal.claim():
        pass


def test_what_a_model_took_replaces_what_it_took_before(journal: Journal) -> None:
    """For each host, digest and context."""
    for size in (1, 2):
        journal.record_load(Load("h", "sha256:a", 4096, size, 0))
    journal.record_load(Load("h", "sha256:a", 8192, 3, 0))
    assert [(one.context_length, one.size) for one in journal.loads("h")] == [(4096, 2), (8192, 3)]
    assert journal.loads("other") == []


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    """As is one of another version; neither is touched."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"no database, " * 100)
    with pytest.raises(RequestError, match="file is not a database"):
        Journal(path).begin(ONE)
    assert path.read_bytes() == b"no database, " * 100

    other = tmp_path / "other.db"
    database = sqlite3.connect(other)
    database.execute("pragma user_version = 99")
    database.close()
    with pytest.raises(RequestError, match="another version of arriero"):
        Journal(other).begin(ONE)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"journal .*journal\.db"):
        Journal(tmp_path / "file" / "journal.db").begin(ONE)
