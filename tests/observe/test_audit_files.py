"""The files of an audit log: whose they are, when the next is begun, and when an old one goes."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from arriero import AuditFailed, AuditLog, verify_audit
from arriero.observe.audit_files import Files

from .calls import calls_in, everything, written


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, also for a file that was made wider."""
    path = tmp_path / "audit.jsonl"
    path.touch(0o644)
    written(path, 1)
    assert {stat.S_IMODE(one.stat().st_mode) for one in everything(path)} == {0o600}


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head"])
def test_a_file_with_a_second_name_is_refused(tmp_path: Path, name: str) -> None:
    """Whoever has the other name may write to it."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    os.link(victim, tmp_path / name)
    with AuditLog(tmp_path / "audit.jsonl") as log, pytest.raises(AuditFailed, match="one name"):
        log.check()
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    """A link at the log's place is refused, and what it leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / name).symlink_to(victim)
    with AuditLog(tmp_path / "audit.jsonl") as log, pytest.raises(AuditFailed):
        log.check()
    assert victim.read_text() == "precious"


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    """Opened again, the chain continues."""
    path = tmp_path / "audit.jsonl"
    written(path, 2)
    written(path, 2)
    report = verify_audit(path)
    assert report.ok
    assert report.records == 5  # one says that the file begins
    assert calls_in(path) == [0, 1, 0, 1]


def test_full_files_get_numbers_and_stay_in_the_chain(tmp_path: Path) -> None:
    """Rotation by size keeps one chain over all files."""
    path = tmp_path / "audit.jsonl"
    written(path, 12, max_bytes=2000)
    report = verify_audit(path)
    assert report.ok, report.problems
    assert report.files > 2
    assert calls_in(path) == list(range(12))


def test_old_files_are_full_too(tmp_path: Path) -> None:
    """Rotation by age."""
    path = tmp_path / "audit.jsonl"
    written(path, 3, max_age_s=1e-9)
    assert len(Files(path).full()) == 3
    assert verify_audit(path).ok


def test_deleted_files_are_accounted_for(tmp_path: Path) -> None:
    """After retention the log verifies, and says what was deleted."""
    path = tmp_path / "audit.jsonl"
    written(path, 20, max_bytes=1500, keep_files=2)
    report = verify_audit(path)
    assert report.ok, report.problems
    assert len(Files(path).full()) == 2
    assert report.first > 1
    assert any("deleted as planned" in note for note in report.notes)


def test_files_are_kept_for_days(tmp_path: Path) -> None:
    """By when they were written last; what is old goes, in order, and what is not stays."""
    path = tmp_path / "audit.jsonl"
    written(path, 8, max_bytes=1500)
    full = Files(path).full()
    assert len(full) > 2
    for number, (_, file) in enumerate(full):
        days = 3.5 if number < 2 else 1.5
        os.utime(file, (time.time() - days * 86_400,) * 2)
    written(path, 3, max_bytes=1500, keep_days=2)

    assert [file for _, file in full if file.exists()] == [file for _, file in full[2:]]
    report = verify_audit(path)
    assert report.ok, report.problems


def test_no_file_goes_before_its_time(tmp_path: Path) -> None:
    """Nor for one after it that looks older; the chain has no holes."""
    path = tmp_path / "audit.jsonl"
    written(path, 8, max_bytes=1500)
    full = [file for _, file in Files(path).full()]
    os.utime(full[1], (0, 0))
    written(path, 3, max_bytes=1500, keep_days=2)
    assert all(file.exists() for file in full)


def test_a_full_file_is_on_the_disk_before_the_next_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the policy: a later one would not find it any more."""
    path = tmp_path / "audit.jsonl"
    written(path, 1)
    inode, synced = path.stat().st_ino, set[int]()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    written(path, 1, max_bytes=1, fsync="never")
    assert len(Files(path).full()) == 1
    assert inode in synced


def test_a_file_deleted_by_hand_is_missed(tmp_path: Path) -> None:
    """Whatever file goes, the check says so."""
    for place in range(4):
        directory = tmp_path / str(place)
        directory.mkdir()
        path = directory / "audit.jsonl"
        written(path, 12, max_bytes=2000)
        everything(path)[place].unlink()
        assert not verify_audit(path).ok
