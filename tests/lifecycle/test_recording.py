"""What a program does with its own client, written into the journal."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from arriero import AsyncClient, CallCancelled, Client, ModelNotFound, RequestError
from arriero.errors import ArrieroError
from arriero.lifecycle import AsyncProvisioner, Journal, Provisioner
from arriero.lifecycle.journal import UNKNOWN
from arriero.lifecycle.recording import outcome_of
from tests.lifecycle.ollama import Ollama, built, full
from tests.lifecycle.served import served

OLD, NEW = built("old weights"), built("new weights")


class Program:
    """A client of one host and what it does, in one colour from plain functions."""

    def __init__(self, url: str, journal: Journal, *, is_async: bool) -> None:
        self.is_async = is_async
        self._runner = asyncio.Runner()
        self.client: Any = AsyncClient(url) if is_async else Client(url)
        kind: Any = AsyncProvisioner if is_async else Provisioner
        self.provisioner = kind(self.client, journal=journal)

    def do(self, value: Any) -> Any:
        """Give a value; in the other colour, await it."""
        return self._runner.run(value) if self.is_async else value

    def recorded(self, action: str, model: str, act: Any, **how: Any) -> None:
        """Do something within a recording."""

        async def within() -> None:
            async with self.provisioner.recording(action, model, **how):
                await act()

        if self.is_async:
            return self._runner.run(within())
        with self.provisioner.recording(action, model, **how):
            act()
        return None

    def pull(self, **how: Any) -> None:
        """Pull m, and record it."""
        self.recorded("pull", "m", lambda: self.client.pull("m"), **how)

    def delete(self, **how: Any) -> None:
        """Delete m, and record it."""
        self.recorded("delete", "m", lambda: self.client.delete("m"), **how)

    def close(self) -> None:
        """Close the client."""
        self.do(self.client.close())
        self._runner.close()


@pytest.fixture
def ollama() -> Ollama:
    """A host with an old m, which the registry has newer."""
    return Ollama(names={full("m"): OLD}, registry={full("m"): NEW})


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def program(request: pytest.FixtureRequest, ollama: Ollama, journal: Journal) -> Iterator[Program]:
    """A program with a client for that host, in each colour."""
    with served(ollama) as url:
        made = Program(url, journal, is_async=request.param)
        yield made
        made.close()


def test_a_pull_is_recorded_with_the_digests_around_it(program: Program, journal: Journal) -> None:
    """Who, where, what, from which digest to which."""
    program.pull(reason="nightly")
    (entry,) = journal.entries(model="m:latest")
    assert (entry.action, entry.reason, entry.state) == ("pull", "nightly", "done")
    assert (entry.before, entry.after) == (OLD.digest, NEW.digest)
    assert (entry.host, "@" in entry.who) == (program.provisioner.hosts[0], True)
    assert entry.duration_s is not None


def test_what_fails_is_recorded_and_goes_on(program: Program, journal: Journal) -> None:
    """The program sees its own error; the entry has it in a line."""
    program.delete()
    with pytest.raises(ModelNotFound):
        program.delete()
    failed, done = journal.entries()
    assert (done.before, done.after, done.state) == (OLD.digest, "", "done")
    assert (failed.before, failed.after, failed.state) == ("", "", "failed")
    assert failed.error.startswith("ModelNotFound: ")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "done"),
        (ValueError("x"), "failed"),
        (CallCancelled("x"), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
        (asyncio.CancelledError(), "interrupted"),
    ],
    ids=repr,
)
def test_who_stops_it_interrupts_it(error: BaseException | None, state: str) -> None:
    """Being stopped is no failure of what was done."""
    assert outcome_of(error) == state


def test_a_cancelled_task_is_recorded(ollama: Ollama, journal: Journal) -> None:
    """The entry is ended although the task is being cancelled."""

    async def main(url: str) -> None:
        begun = asyncio.Event()

        async def work(client: AsyncClient) -> None:
            async with AsyncProvisioner(client, journal=journal).recording("create", "m"):
                begun.set()
                await asyncio.Event().wait()

        async with AsyncClient(url) as client:
            task = asyncio.create_task(work(client))
            await begun.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()

    with served(ollama) as url:
        asyncio.run(main(url))
    (entry,) = journal.entries()
    assert (entry.state, entry.before, entry.after) == ("interrupted", OLD.digest, OLD.digest)


def test_a_second_name_brings_it_back(program: Program, ollama: Ollama, journal: Journal) -> None:
    """`keep` is what makes a pull, or a delete, one that can be gone back from."""
    program.pull(keep=True)
    back = program.do(program.provisioner.rollback(1))
    assert (ollama.has("m"), back.reason) == (OLD.digest, "rollback of 1")
    program.delete(keep=True)
    program.do(program.provisioner.rollback(3))
    assert ollama.has("m") == OLD.digest


def test_without_it_the_old_one_is_gone(program: Program, ollama: Ollama) -> None:
    """The error says what would have kept it; another name of it is as good."""
    program.pull()
    with pytest.raises(RequestError, match=r"no longer has it.*--keep"):
        program.do(program.provisioner.rollback(1))
    ollama.names[full("other")] = OLD
    program.do(program.provisioner.rollback(1))
    assert ollama.has("m") == OLD.digest


def test_nothing_is_kept_of_what_was_not_replaced(program: Program, ollama: Ollama) -> None:
    """A pull that fails leaves no second name."""
    ollama.registry.clear()
    with pytest.raises(ArrieroError):
        program.pull(keep=True)
    assert list(ollama.names) == [full("m")]


def test_a_journal_that_cannot_be_written_stops_nothing(
    program: Program, ollama: Ollama, journal: Journal
) -> None:
    """Somebody is told, once: whoever asked to be, else whoever reads warnings."""
    journal.path.mkdir()
    told: list[ArrieroError] = []
    program.pull(on_lost=told.append)
    assert (ollama.has("m"), len(told)) == (NEW.digest, 1)
    with pytest.warns(RuntimeWarning, match="the delete of m:latest is not recorded: journal"):
        program.delete()
    assert ollama.has("m") is None


def test_an_end_that_cannot_be_written_is_told(
    program: Program, ollama: Ollama, journal: Journal
) -> None:
    """The entry says that nobody knows how it ended, and no `apply` meddles with it."""

    def spoil() -> Any:
        with sqlite3.connect(journal.path) as database:
            database.execute("create trigger no before update on changes"
                             " begin select raise(abort, 'full'); end")  # fmt: skip
        database.close()
        return program.client.pull("m")

    told: list[ArrieroError] = []
    program.recorded("pull", "m", spoil, on_lost=told.append)
    (entry,) = journal.entries()
    assert (entry.state, entry.is_open, "full" in str(told[0])) == ("running", False, True)


def test_a_host_that_does_not_tell_is_asked_all_the_same(
    program: Program, ollama: Ollama, journal: Journal
) -> None:
    """Its digests are unknown, which is not the same as no model."""
    ollama._tags = lambda body: (403, [{"error": "no"}])  # type: ignore[method-assign]
    program.pull()
    (entry,) = journal.entries()
    assert (entry.state, entry.before, entry.after) == ("done", UNKNOWN, UNKNOWN)
    with pytest.raises(RequestError, match="did not say what was there before entry 1"):
        program.do(program.provisioner.rollback(entry))
    with pytest.raises(ArrieroError):  # what shall be kept has to be known
        program.delete(keep=True)
    assert ollama.has("m") == NEW.digest


def test_a_name_nobody_can_read_is_for_the_server_to_judge(
    program: Program, journal: Journal
) -> None:
    """It is recorded as it was given."""
    with pytest.raises(ArrieroError):
        program.recorded("delete", "a b", lambda: program.client.delete("a b"))
    (entry,) = journal.entries()
    assert (entry.model, entry.state) == ("a b", "failed")


def test_what_was_killed_is_not_undone_by_an_apply(
    program: Program, journal: Journal, tmp_path: Path
) -> None:
    """Nobody knows what a plain act left, and putting back is not ours."""
    recording = program.provisioner.recording("pull", "m")
    program.do(recording.__aenter__() if program.is_async else recording.__enter__())
    assert journal.entries(only_open=True) == []
    assert [one.state for one in journal.entries()] == ["running"]
    program.do(
        recording.__aexit__(None, None, None)
        if program.is_async
        else recording.__exit__(None, None, None)
    )
