"""The audit log: what it writes, what it survives, and what its check finds."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from arriero import AuditFailed, AuditLog, CallPolicy, RequestError, verify_audit
from arriero.errors import ResponseError
from arriero.observe import audit_files, ledger
from arriero.observe.audit_files import Files
from arriero.observe.verify import audit_records

from .calls import calls_in, ended, everything, written


def test_a_record_says_who_what_and_what_came_of_it(tmp_path: Path) -> None:
    """Who, call, model, digest, options, counts, timings, trail and outcome are there."""
    path = tmp_path / "audit.jsonl"
    written(path, 1)
    record = list(audit_records(path))[-1]
    assert record["actor"] == "ann"
    assert record["tenant"] == "t"
    assert record["metadata"] == {"ticket": 7}
    assert (record["call"], record["model"]) == ("POST /api/chat", "m")
    assert record["digest"] == "sha256:ab"
    assert record["settings"] == {"options": {"seed": 1}}
    assert record["counts"] == {"prompt_tokens": 3, "answer_tokens": 5, "records": 0}
    assert record["timings"]["load_s"] == 0.002
    assert record["outcome"] == "ok"


@pytest.mark.parametrize("content", ["none", "hashed"])
def test_prompts_and_answers_stay_out_unless_asked_for(tmp_path: Path, content: Any) -> None:
    """Neither the question nor the answer is in the log."""
    path = tmp_path / "audit.jsonl"
    written(path, 1, content=content)
    assert b"a question" not in path.read_bytes()
    assert b"an answer" not in path.read_bytes()


def test_full_content_has_both_and_hashes_of_images(tmp_path: Path) -> None:
    """With ``full``, texts are whole; images are hashed."""
    path = tmp_path / "audit.jsonl"
    message = {"role": "user", "content": "a question", "images": ["QUJD"]}
    with AuditLog(path, content="full") as log:
        log.write(ended(body={"model": "m", "messages": [message]}))
    record = list(audit_records(path))[-1]
    assert record["request"]["messages"][0]["content"] == "a question"
    assert record["answer"]["message"]["content"] == "an answer"
    assert b"QUJD" not in path.read_bytes()


def test_errors_are_named_without_their_text(tmp_path: Path) -> None:
    """A server's text may quote the prompt, so only class and status are written."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        log.write(ended(outcome="failed", error=ResponseError("canary", 500)))
    record = list(audit_records(path))[-1]
    assert record["error"] == {"class": "ResponseError", "phase": "prepare", "status": 500}
    assert b"canary" not in path.read_bytes()


@pytest.mark.parametrize("content", ["none", "hashed", "full"])
@pytest.mark.parametrize(
    "odd", ["half \ud800", {"half": "\ud800"}, {"object": object()}, {(1, 2): {3}}, 2**80]
)
def test_what_json_cannot_hold_fails_no_call(tmp_path: Path, content: Any, odd: object) -> None:
    """Halves of characters, objects, keys that are no text: written as well as can be."""
    path = tmp_path / "audit.jsonl"
    actor = odd if isinstance(odd, str) else "ann"
    policy = CallPolicy(actor=actor, metadata={"odd": odd})
    body = {"model": "m", "options": {"odd": odd}, "prompt": odd}
    with AuditLog(path, content=content) as log:
        log.write(structs.replace(ended(body=body), policy=policy))
    assert verify_audit(path).ok
    record = list(audit_records(path))[-1]
    assert record["actor"] == actor.replace("\ud800", "?")
    assert "odd" in record["settings"]["options"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a log of several files that is only read."""
    path = tmp_path_factory.mktemp("original") / "audit.jsonl"
    written(path, 9, max_bytes=2000)
    return path


def copied(original: Path, place: Path) -> Path:
    """Give a copy of a log."""
    for file in everything(original):
        (place / file.name).write_bytes(file.read_bytes())
    return place / original.name


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, original: Path, data: st.DataObject
) -> None:
    """One byte changed, anywhere in log or head, is a problem."""
    path = copied(original, tmp_path_factory.mktemp("copy"))
    file = data.draw(st.sampled_from(everything(path)))
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    assert not verify_audit(path).ok


@settings(max_examples=100)
@given(data=st.data())
def test_any_cut_is_found(
    tmp_path_factory: pytest.TempPathFactory, original: Path, data: st.DataObject
) -> None:
    """A piece taken out of a file, at its end too, is a problem."""
    path = copied(original, tmp_path_factory.mktemp("copy"))
    file = data.draw(st.sampled_from([one for one in everything(path) if one.suffix == ".jsonl"]))
    content = file.read_bytes()
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first + 1, len(content)))
    file.write_bytes(content[:first] + content[last:])
    assert not verify_audit(path).ok


@given(data=st.data())
def test_any_record_taken_doubled_or_swapped_is_found(
    tmp_path_factory: pytest.TempPathFactory, original: Path, data: st.DataObject
) -> None:
    """Whole records that are valid by themselves are missed where they were."""
    path = copied(original, tmp_path_factory.mktemp("copy"))
    file = data.draw(st.sampled_from([one for one in everything(path) if one.suffix == ".jsonl"]))
    lines = file.read_bytes().splitlines(keepends=True)
    one = data.draw(st.integers(0, len(lines) - 1))
    act = data.draw(st.sampled_from(["take", "double", "swap"]))
    if act == "swap":
        other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != one))
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one : one + 1] = [] if act == "take" else [lines[one]] * 2
    file.write_bytes(b"".join(lines))
    assert not verify_audit(path).ok


def test_a_chain_made_anew_needs_the_key(tmp_path: Path) -> None:
    """Whoever has not the key can neither check nor forge."""
    path = tmp_path / "audit.jsonl"
    key = b"0123456789abcdef"
    written(path, 2, key=key)
    assert verify_audit(path, key=key).ok
    assert not verify_audit(path).ok
    for file in everything(path):
        file.unlink()
    written(path, 2)
    assert not verify_audit(path, key=key).ok


def test_an_anchor_kept_elsewhere_is_found_or_missed(tmp_path: Path) -> None:
    """A log written anew has not the record that was noted."""
    path = tmp_path / "audit.jsonl"
    written(path, 2)
    report = verify_audit(path)
    assert verify_audit(path, anchors=[(report.last, report.hash)]).ok
    for file in everything(path):
        file.unlink()
    written(path, 2)
    assert verify_audit(path).ok
    assert not verify_audit(path, anchors=[(report.last, report.hash)]).ok


def test_a_torn_last_line_is_told_apart_and_mended(tmp_path: Path) -> None:
    """Killed while writing: a note; then the cut is written down, and the chain holds."""
    path = tmp_path / "audit.jsonl"
    written(path, 2)
    with path.open("ab") as file:
        file.write(b'{"seq":4,"prev":"')
    torn = verify_audit(path)
    assert torn.ok
    assert any("torn" in note for note in torn.notes)
    written(path, 1)
    mended = verify_audit(path)
    assert mended.ok
    assert any("cut off" in note for note in mended.notes)
    assert calls_in(path) == [0, 1, 0]


@pytest.mark.parametrize("text", [b"root:x:0:0", b"my notes", b"\0\1\2", b'{"seq":2', b"a\nb"])
def test_a_file_that_is_no_audit_log_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """A slip in a path costs nobody a file that has no line break to be told by."""
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with AuditLog(path) as log:
        with pytest.raises(AuditFailed):
            log.check()
    assert path.read_bytes() == text


@pytest.mark.parametrize("torn", [b'{"s', b'{"seq":1,"prev":"00', b"\0\0\0"])
def test_a_torn_first_record_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    """Killed, or without power, while writing it: a log of ours goes on."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(torn)
    written(path, 1)
    assert verify_audit(path).ok
    assert calls_in(path) == [0]


def test_a_record_beyond_the_head_is_taken_up(tmp_path: Path) -> None:
    """Killed between line and head: the record counts."""
    path = tmp_path / "audit.jsonl"
    written(path, 1)
    head = Files(path).head.read_bytes()
    written(path, 1)
    Files(path).head.write_bytes(head)
    assert verify_audit(path).ok
    written(path, 1)
    assert verify_audit(path).ok
    assert len(calls_in(path)) == 3


def test_a_cut_end_stays_visible_when_the_log_goes_on(tmp_path: Path) -> None:
    """Records cut off before the program starts again are missed for ever."""
    path = tmp_path / "audit.jsonl"
    written(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    written(path, 1)
    report = verify_audit(path)
    assert not report.ok
    assert calls_in(path) == [0, 1, 0]


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head"])
def test_a_log_whose_parts_were_removed_tells(tmp_path: Path, name: str) -> None:
    """Removed log or head: found before and after the program goes on."""
    path = tmp_path / "audit.jsonl"
    written(path, 12, max_bytes=2000)
    (tmp_path / name).unlink()
    assert not verify_audit(path).ok
    with AuditLog(path) as log:
        log.write(ended())
    assert not verify_audit(path).ok


@pytest.mark.parametrize("left", ["nothing", "an empty file", "its first record"])
def test_a_rotation_that_was_cut_short_is_ended(tmp_path: Path, left: str) -> None:
    """Killed after the full file got its number: nothing is lost, nothing written over."""
    path = tmp_path / "audit.jsonl"
    written(path, 2)
    head = Files(path).head.read_bytes()
    if left == "its first record":
        written(path, 1, max_age_s=1e-9)
        first = path.read_bytes().splitlines(keepends=True)[0]
        path.write_bytes(first)
    else:
        path.rename(Files(path).numbered(1))
        if left == "an empty file":
            path.touch()
    Files(path).head.write_bytes(head)
    assert verify_audit(path).ok
    written(path, 1)
    written(path, 1, max_age_s=1e-9)
    report = verify_audit(path)
    assert report.ok, report.problems
    assert report.files == 3
    assert calls_in(path) == [0, 1, 0, 0]


def full_disk(*_: object) -> int:
    """Stand in for a disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_closed_refuses_answers_and_calls_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed record's caller hears of it, later calls are refused, then all is well."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        log.write(ended(1))
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "write_whole", full_disk)
            receipt = log.write(ended(2))
            assert receipt is not None
            with pytest.raises(AuditFailed, match="No space left"):
                receipt()
            with pytest.raises(AuditFailed, match="nothing was sent"):
                log.check()
        log.check()
        assert log.write(ended(3)) is None
        assert (log.written, log.failed) == (2, 1)
    report = verify_audit(path)
    assert report.ok
    assert any("1 calls could not be written" in note for note in report.notes)
    assert calls_in(path) == [1, 3]


def test_a_log_that_cannot_begin_lets_no_call_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again each time, and begins as any other when there is room."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "write_whole", full_disk)
            for _ in range(3):
                with pytest.raises(AuditFailed, match="nothing was sent"):
                    log.check()
        log.check()
        log.write(ended(1))
    assert [one["kind"] for one in audit_records(path)] == ["file", "call"]


def test_open_goes_on_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go on unrecorded, and the log says how many."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, on_failure="open") as log:
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "write_whole", full_disk)
            log.check()
            assert log.write(ended(1)) is None
            assert log.write(ended(2)) is None
        assert log.write(ended(3)) is None
        assert log.failed == 2
    assert verify_audit(path).ok
    assert calls_in(path) == [3]


def test_half_a_record_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails in the middle leaves nothing behind."""
    path = tmp_path / "audit.jsonl"
    real = os.write

    def half(descriptor: int, data: Any) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(data)[: len(data) // 2])

    with AuditLog(path, on_failure="open") as log:
        log.write(ended(1))
        before = path.read_bytes()
        with monkeypatch.context() as broken:
            broken.setattr(audit_files.os, "write", half)
            log.write(ended(2))
        assert path.read_bytes() == before


def test_threads_share_one_chain(tmp_path: Path) -> None:
    """Records of many threads are whole, all there, and synced together."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, fsync="always", max_bytes=20_000) as log:

        def work(number: int) -> None:
            for turn in range(25):
                receipt = log.write(ended(number * 100 + turn))
                assert receipt is not None
                receipt()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert verify_audit(path).ok
    assert len(set(calls_in(path))) == 200


def test_always_syncs_once_for_all_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three records, one sync."""
    syncs: list[int] = []
    with AuditLog(tmp_path / "audit.jsonl", fsync="always") as log:
        receipts = [log.write(ended(number)) for number in range(3)]
        monkeypatch.setattr(os, "fsync", syncs.append)
        for receipt in receipts:
            assert receipt is not None
            receipt()
    assert len(syncs) == 1


def test_interval_syncs_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits_for: Any
) -> None:
    """The last record before a pause is synced too, and the timer ends."""
    syncs: list[int] = []
    with AuditLog(tmp_path / "audit.jsonl", fsync_interval_s=0.01) as log:
        log.check()
        monkeypatch.setattr(os, "fsync", syncs.append)
        log.write(ended())
        waits_for(lambda: syncs)


@pytest.mark.parametrize(("policy", "count"), [("interval", 1), ("always", 0), ("never", 0)])
def test_closing_syncs_what_is_not_synced_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: Any, count: int
) -> None:
    """Unless the log leaves that to the system."""
    syncs: list[int] = []
    with AuditLog(tmp_path / "audit.jsonl", fsync=policy, fsync_interval_s=3600) as log:
        receipt = log.write(ended())
        if receipt is not None:
            receipt()
        monkeypatch.setattr(os, "fsync", syncs.append)
    assert len(syncs) == count


def test_two_logs_on_one_path_share_the_chain(tmp_path: Path) -> None:
    """As two processes would: each finds what the other wrote, through rotations."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, max_bytes=3000) as one, AuditLog(path, max_bytes=3000) as other:
        for number in range(20):
            (one if number % 3 else other).write(ended(number))
    assert verify_audit(path).ok
    assert calls_in(path) == list(range(20))


def test_a_record_from_the_garbage_collector_waits_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream may end in the middle of another write of the same thread."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        real, is_first = ledger.write_whole, [True]

        def nested(descriptor: int, data: bytes) -> None:
            if is_first.pop() if is_first else False:
                log.write(ended(2))
            real(descriptor, data)

        log.check()
        monkeypatch.setattr(ledger, "write_whole", nested)
        log.write(ended(1))
    assert calls_in(path) == [1, 2]
    assert verify_audit(path).ok


def test_settings_are_checked(tmp_path: Path) -> None:
    """Wrong settings are told when the log is made, not with the first call."""
    wrong: list[dict[str, Any]] = [
        {"content": "some"},
        {"fsync": "often"},
        {"on_failure": "shrug"},
        {"max_bytes": 0},
        {"keep_files": 0},
        {"key": b"short"},
    ]
    for arguments in wrong:
        with pytest.raises(RequestError, match=next(iter(arguments))):
            AuditLog(tmp_path / "audit.jsonl", **arguments)
    with pytest.raises(RequestError, match="directory"):
        AuditLog(tmp_path / "nowhere" / "audit.jsonl")


def test_a_log_can_be_sent_to_another_process(tmp_path: Path) -> None:
    """Pickled, its settings travel; its files are opened anew."""
    with AuditLog(tmp_path / "audit.jsonl", content="hashed") as log:
        log.write(ended(1))
        with pickle.loads(pickle.dumps(log)) as other:
            other.write(ended(2))
    assert calls_in(log.path) == [1, 2]
    assert verify_audit(log.path).ok


def test_a_head_removed_with_the_tail_is_missed_for_ever(tmp_path: Path) -> None:
    """Without its head a log cannot tell where it ended, and says so from then on."""
    path = tmp_path / "audit.jsonl"
    written(path, 3)
    Files(path).head.unlink()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    written(path, 1)
    assert not verify_audit(path).ok


def test_a_tail_that_was_cut_off_is_written_down(tmp_path: Path) -> None:
    """How much of it is missing."""
    path = tmp_path / "audit.jsonl"
    written(path, 3)
    *kept, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept))
    written(path, 1)
    [gap] = [one for one in audit_records(path) if one["kind"] == "gap"]
    assert gap["missing_bytes"] == len(last)


def test_a_file_taken_away_while_it_is_written_leaves_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hand that moves the file away is noticed: a new one begins, and tells what is missing."""
    path = tmp_path / "audit.jsonl"
    monkeypatch.setattr(ledger, "LOOK_S", 0.0)
    with AuditLog(path) as log:
        log.write(ended(1))
        path.rename(tmp_path / "taken")
        log.write(ended(2))
    assert calls_in(path) == [2]
    assert not verify_audit(path).ok


def test_a_file_moved_under_the_lock_is_noticed_at_once(tmp_path: Path) -> None:
    """Another process may rotate between two records: the second goes into the new file."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as one, AuditLog(path, max_bytes=1) as other:
        one.write(ended(1))
        other.write(ended(2))
        one.write(ended(3))
    assert verify_audit(path).ok
    assert [one["id"] for one in audit_records(path) if one["kind"] == "call"][-1] == 3
    assert b'"id":3,' in path.read_bytes()
