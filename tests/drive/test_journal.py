"""Calls written down in both colours: digests, failures of the log, what observers see."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

from arriero import (
    AsyncClient,
    AuditLog,
    Cache,
    CallEnded,
    CallPolicy,
    CallStarted,
    Instrument,
    RecordsArrived,
    StreamOpened,
)
from arriero._core.http import Fault
from arriero.errors import AuditFailed, NotFound, ServerBusy
from arriero.observe import ledger
from arriero.observe.verify import audit_records
from arriero.testing import ScriptedServer

from .scripted import LAST, PART, Colour, reply

DIGEST = "ab" * 32
TAGS = reply(json.dumps({"models": [{"name": "m:latest", "digest": DIGEST}]}).encode())
ANSWER = reply(b'{"response":"a","done":true,"prompt_eval_count":2,"eval_count":3}')
BUSY = reply(b"{}", status=503)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "audit.jsonl"


def calls(path: Path) -> list[dict[str, Any]]:
    """Give the records of calls."""
    return [one for one in audit_records(path) if one["kind"] == "call"]


def no_room(*_: object) -> None:
    """Stand in for a full disk."""
    raise OSError(28, "No space left on device")


def test_the_digest_is_asked_for_once(colour: Colour, path: Path) -> None:
    """One question for many calls, and each record has the answer."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, *[ANSWER] * 3, audit=log)
        for name in ("m", "m:latest", "M"):
            colour.do(client.generate(name, "hi"))
        assert len(colour.script.sent) == 4
    assert [one["digest"] for one in calls(path)] == [f"sha256:{DIGEST}"] * 3
    assert client.statistics().audit_written == 3


def test_an_unknown_digest_is_said_to_be_unknown(colour: Colour, path: Path) -> None:
    """A server that does not answer the question does not fail the call."""
    with AuditLog(path) as log:
        client = colour.client(Fault("lost", "head", "reset"), ANSWER, ANSWER, audit=log)
        colour.do(client.generate("m", "hi"))
        colour.do(client.generate("m", "hi"))  # and it is not asked again at once
    assert [one["digest"] for one in calls(path)] == [None, None]


def test_our_own_changes_make_it_ask_again(colour: Colour, path: Path) -> None:
    """After a copy, a name may stand for something else."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, ANSWER, reply(b""), TAGS, ANSWER, audit=log)
        colour.do(client.generate("m", "hi"))
        colour.do(client.copy("n", "m"))
        colour.do(client.generate("m", "hi"))
    assert [one["call"] for one in calls(path)][1] == "POST /api/copy"
    assert len(colour.script.sent) == 5


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_streams_are_written_down_when_they_end(colour: Colour, path: Path, fsync: Any) -> None:
    """Whole, left early and failed ones, with what they came to."""
    with AuditLog(path, fsync=fsync) as log:
        client = colour.client(
            TAGS, reply(PART, LAST), reply(PART, LAST), reply(PART, b""), audit=log
        )
        colour.list(colour.do(client.generate("m", "hi", stream=True)))
        early = colour.do(client.generate("m", "hi", stream=True))
        colour.next(early)
        closing = early.close()
        if colour.is_async:
            colour.do(closing)
        with pytest.raises(Exception, match="ended before"):
            colour.list(colour.do(client.generate("m", "hi", stream=True)))
    assert [one["outcome"] for one in calls(path)] == ["ok", "cancelled", "failed"]
    assert calls(path)[2]["error"]["class"] == "StreamIncomplete"


def test_closed_keeps_the_answer_from_its_caller(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is in the error; the next call is not sent; then all is well again."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, ANSWER, ANSWER, ANSWER, audit=log)
        colour.do(client.generate("m", "hi"))
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "write_whole", no_room)
            with pytest.raises(AuditFailed) as caught:
                colour.do(client.generate("m", "hi"))
            assert caught.value.partial.response == "a"
            assert caught.value.call == "POST /api/generate"
            sent = len(colour.script.sent)
            with pytest.raises(AuditFailed, match="nothing was sent"):
                colour.do(client.generate("m", "hi"))
            assert len(colour.script.sent) == sent
        colour.do(client.generate("m", "hi"))
        assert client.statistics().audit_failed == 1


def test_closed_fails_a_stream_at_its_end(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records were delivered by then; its end is not a good one."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, reply(PART, LAST), audit=log)
        stream = colour.do(client.generate("m", "hi", stream=True))
        colour.next(stream)
        monkeypatch.setattr(ledger, "write_whole", no_room)
        assert colour.next(stream).done
        with pytest.raises(AuditFailed, match="No space"):
            colour.next(stream)


def whole(colour: Colour, client: Any) -> None:
    """Make a call."""
    colour.do(client.generate("m", "hi"))


def streamed(colour: Colour, client: Any) -> None:
    """Read a stream to its end."""
    colour.list(colour.do(client.generate("m", "hi", stream=True)))


def no_sync(_: int) -> None:
    """Stand in for a disk that is broken."""
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(("ask", "answer"), [(whole, ANSWER), (streamed, reply(PART, LAST))])
@pytest.mark.parametrize("trouble", ["write", "sync"])
def test_an_answer_that_was_kept_back_counts_as_failed(
    colour: Colour,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: Any,
    answer: Any,
    trouble: str,
) -> None:
    """Statistics and observers say what the caller saw, and that very error."""
    told: list[Any] = []
    with AuditLog(path, fsync="always") as log:
        client = colour.client(TAGS, answer, audit=log, observers=[told.append])
        log.check()
        with monkeypatch.context() as broken:
            if trouble == "write":
                broken.setattr(ledger, "write_whole", no_room)
            else:
                broken.setattr(os, "fsync", no_sync)
            with pytest.raises(AuditFailed) as caught:
                ask(colour, client)
    counted = client.statistics()
    assert (counted.started, counted.ok, counted.failed) == (1, 0, {"AuditFailed": 1})
    ended = [one for one in told if isinstance(one, CallEnded)]
    assert [(one.outcome, one.error) for one in ended] == [("failed", caught.value)]


@pytest.mark.parametrize(("ask", "answer"), [(whole, ANSWER), (streamed, reply(PART, LAST))])
def test_a_call_is_told_of_when_its_record_is_safe(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch, ask: Any, answer: Any
) -> None:
    """Not before: until then it may still fail."""
    order: list[str] = []
    with AuditLog(path, fsync="always") as log:
        client = colour.client(
            TAGS, answer, audit=log, observers=[lambda event: order.append(type(event).__name__)]
        )
        log.check()
        monkeypatch.setattr(os, "fsync", lambda _: order.append("sync"))
        ask(colour, client)
    assert order[-2:] == ["sync", "CallEnded"]
    assert client.statistics().ok == 1


def test_a_call_that_is_refused_counts_too(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that takes nothing makes every call fail: that must be seen from outside."""
    told: list[Any] = []
    with AuditLog(path) as log:
        client = colour.client(audit=log, observers=[told.append])
        monkeypatch.setattr(ledger, "write_whole", no_room)
        for ask in (whole, streamed):
            with pytest.raises(AuditFailed, match="nothing was sent"):
                ask(colour, client)
    counted = client.statistics()
    assert (counted.started, counted.failed) == (2, {"AuditFailed": 2})
    assert [type(one) for one in told] == [CallStarted, CallEnded] * 2
    assert told[1].outcome == "failed"
    assert not colour.script.sent


def test_a_stream_that_is_dropped_is_told_of_at_once(colour: Colour, path: Path) -> None:
    """Complete or not: nobody is left to wait for the disk."""
    told: list[Any] = []
    with AuditLog(path, fsync="always") as log:
        client = colour.client(TAGS, reply(PART, LAST), audit=log, observers=[told.append])
        stream = colour.do(client.generate("m", "hi", stream=True))
        colour.next(stream)
        colour.next(stream)
        assert stream.complete
        del stream
        gc.collect()
    assert isinstance(told[-1], CallEnded)
    assert told[-1].outcome == "ok"
    assert client.statistics().ok == 1


def test_who_stops_waiting_for_the_disk_has_cancelled(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was not given, so the call is none that went well."""
    told: list[Any] = []

    async def main(url: str) -> None:
        loop, is_waiting, settle = asyncio.get_running_loop(), asyncio.Event(), AuditLog._settle

        def settled(log: AuditLog, seq: int) -> None:
            loop.call_soon_threadsafe(is_waiting.set)
            settle(log, seq)

        monkeypatch.setattr(AuditLog, "_settle", settled)
        with AuditLog(path, fsync="always") as log:
            async with AsyncClient(url, audit=log, observers=[told.append]) as client:
                with log._sync_lock:  # as if another call's sync took long
                    task = asyncio.create_task(client.generate("m", "hi"))
                    await is_waiting.wait()
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert client.statistics().cancelled == 1

    with ScriptedServer(["m"]) as server:
        server.on(model="m").reply("x")
        asyncio.run(main(server.url))
    assert isinstance(told[-1], CallEnded)
    assert told[-1].outcome == "cancelled"


def test_a_call_that_failed_keeps_its_own_error(
    colour: Colour, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a note that it is not in the log."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, reply(b'{"error":"no"}', status=404), audit=log)
        log.check()
        monkeypatch.setattr(ledger, "write_whole", no_room)
        with pytest.raises(NotFound) as caught:
            colour.do(client.show("m"))
        assert "not in the audit log" in caught.value.__notes__[-1]


def test_retries_are_in_the_trail(colour: Colour, path: Path) -> None:
    """One record for a call of two tries."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, BUSY, ANSWER, audit=log, retry=None)
        colour.do(client.generate("m", "hi"))
    (record,) = calls(path)
    assert (record["tries"], len(record["trail"])) == (2, 1)


CANARY = "canary-7f3a"


def test_no_secret_is_ever_written(colour: Colour, path: Path) -> None:
    """Tokens, headers, credentials of URLs and unknown objects stay out, even in full."""

    class Secret:
        def __repr__(self) -> str:
            return CANARY

    with AuditLog(path, content="full") as log:
        client = colour.client(
            TAGS,
            ANSWER,
            reply(json.dumps({"error": CANARY}).encode(), status=503),
            audit=log,
            host=f"http://user:{CANARY}@server:80",
            headers={"x-key": CANARY},
        )
        policy = CallPolicy(metadata={"who": Secret()})
        colour.do(client.generate("m", "hi", policy=policy))
        with pytest.raises(ServerBusy):
            colour.do(client.generate("m", "hi"))
    assert CANARY not in "".join(one.read_text() for one in path.parent.iterdir())


class Watcher(Instrument):
    """Wants to see records, and adds a header."""

    def __init__(self) -> None:
        self.sees_records = True
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    def headers(self, id: int) -> dict[str, str]:
        return {"x-call": str(id)}


def test_an_instrument_sees_pieces_and_adds_headers(colour: Colour) -> None:
    """Gaps between pieces of a stream are told to whoever wants them, only."""
    watcher, plain = Watcher(), list[Any]()
    client = colour.client(reply(PART, PART + PART, LAST), observers=[watcher, plain.append])
    colour.list(colour.do(client.generate("m", "hi", stream=True)))

    arrived = [one for one in watcher.events if isinstance(one, RecordsArrived)]
    assert [one.count for one in arrived] == [2, 1]
    assert all(one.gap_s >= 0 for one in arrived)
    assert not [one for one in plain if isinstance(one, RecordsArrived)]
    assert [type(one) for one in plain][1] is StreamOpened
    assert colour.script.sent[0].headers["x-call"] == str(plain[0].id)


def test_what_an_instrument_adds_follows_no_redirect_to_another_origin(colour: Colour) -> None:
    """Who is redirected to learns nothing of our traces; within the origin it is the same call."""
    answers = [reply(status=307, location=where) for where in ("/elsewhere", "http://other/x")]
    client = colour.client(*answers, ANSWER, observers=[Watcher()])
    colour.do(client.generate("m", "hi"))
    assert ["x-call" in sent.headers for sent in colour.script.sent] == [True, True, False]


def test_nothing_is_told_of_pieces_if_nobody_wants_them(colour: Colour) -> None:
    """A stream then reads no clock for its records."""
    client = colour.client(reply(PART, PART, LAST), observers=[lambda _: None])
    ticks = [0]
    clock = client._target.clock

    def counted() -> float:
        ticks[0] += 1
        return clock()

    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    stream._reading._clock = counted
    stream._reading.feed(PART)
    assert ticks == [0]


SEED: dict[str, Any] = {"options": {"seed": 1}}


def test_a_cache_and_a_log_ask_for_the_digest_together(colour: Colour, path: Path) -> None:
    """One question serves both, and a kept answer has the digest it is kept under."""
    good = reply(b'{"response":"a","done":true,"done_reason":"stop"}')
    with AuditLog(path) as log:
        client = colour.client(TAGS, good, ANSWER, audit=log, cache=Cache())
        colour.do(client.generate("m", "hi", **SEED))
        colour.do(client.generate("m", "hi", **SEED))
        colour.do(client.generate("m", "hi"))
        assert [sent.line.rpartition("/")[2] for sent in colour.script.sent] == [
            "tags", "generate", "generate",
        ]  # fmt: skip
    assert [one["source"] for one in calls(path)] == ["server", "cache", "server"]
    assert [one["digest"] for one in calls(path)] == [f"sha256:{DIGEST}"] * 3


def test_what_is_deleted_is_named_by_its_digest(colour: Colour, path: Path) -> None:
    """A change makes the list old when it begins; what it was about was known before."""
    with AuditLog(path) as log:
        client = colour.client(TAGS, reply(b""), TAGS, ANSWER, audit=log)
        colour.do(client.delete("m"))
        colour.do(client.generate("m", "hi"))
    assert [one["digest"] for one in calls(path)] == [f"sha256:{DIGEST}"] * 2
    assert calls(path)[0]["digest_age_s"] >= 0


def test_calls_at_the_same_time_ask_once(path: Path) -> None:
    """Whoever comes while the list is on its way waits for it."""

    async def ask(url: str) -> None:
        with AuditLog(path) as log:
            async with AsyncClient(url, audit=log) as client:
                await asyncio.gather(*(client.generate("m", "hi") for _ in range(8)))

    with ScriptedServer(["m"]) as server:
        server.on(model="m").reply("x")
        asyncio.run(ask(server.url))
        asked = [request.path for request in server.requests]
    assert asked.count("/api/tags") == 1
    (digest,) = {one["digest"] for one in calls(path)}
    assert digest.startswith("sha256:")
