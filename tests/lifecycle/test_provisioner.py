"""`Provisioner` and `AsyncProvisioner` over sockets: several hosts, one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from arriero import ApplyFailed, AsyncClient, Client, PullPolicy, RequestError
from arriero.lifecycle import AsyncProvisioner, Journal, Lock, Provisioner, parse_wanted
from tests.lifecycle.ollama import Ollama, Spoilt, built, full
from tests.lifecycle.served import served

OLD, NEW = built("old weights"), built("new weights")
SMOKED = "[models.m]\npreload = true\n[[models.m.smoke]]\nprompt = 'Say yes'\nexpect = 'yes'\n"
QUICK = PullPolicy(attempts=1, first_wait_s=0.01)


class Herd:
    """Three hosts behind sockets, driven in one colour from a plain function.

    Attributes:
        servers: The hosts' stores, by URL.
    """

    def __init__(self, journal: Journal, *, is_async: bool, count: int = 3) -> None:
        self.is_async = is_async
        self.journal = journal
        self.wanted = parse_wanted(SMOKED)
        self._stack = ExitStack()
        self._runner = asyncio.Runner()
        made = [
            Ollama(
                names={full("m"): OLD},
                registry={full("m"): NEW},
                answers={"weights": "yes"},
            )
            for _ in range(count)
        ]
        self.servers = {self._stack.enter_context(served(one)): one for one in made}
        client: Any = AsyncClient if is_async else Client
        self._clients = [client(url) for url in self.servers]
        kind: Any = AsyncProvisioner if is_async else Provisioner
        self.provisioner = kind(self._clients, journal=journal)
        self.lock: Lock = Lock()

    def do(self, value: Any) -> Any:
        """Give a value; in the other colour, await it."""
        return self._runner.run(value) if self.is_async else value

    def relock(self) -> None:
        """Pin the new model, which the first host has for a moment."""
        first = next(iter(self.servers.values()))
        first.names[full("m")] = NEW
        self.lock = self.do(self.provisioner.lock(self.wanted))
        first.names[full("m")] = OLD

    def plan(self) -> Any:
        """Give the plan for now."""
        return self.do(self.provisioner.plan(self.wanted, self.lock))

    def digests(self) -> list[str | None]:
        """Give what each host serves."""
        return [one.has("m") for one in self.servers.values()]

    def close(self) -> None:
        """Close clients and servers."""
        for client in self._clients:
            self.do(client.close())
        self._runner.close()
        self._stack.close()


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def herd(request: pytest.FixtureRequest, journal: Journal) -> Iterator[Herd]:
    """Three hosts with an old model, the new one locked, in each colour."""
    made = Herd(journal, is_async=request.param)
    made.relock()
    yield made
    made.close()


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_every_host_gets_what_is_locked(herd: Herd, parallel: int) -> None:
    """However many are done at a time; then there is nothing left to do."""
    words: list[str] = []
    report = herd.do(
        herd.provisioner.apply(
            herd.plan(), parallel=parallel, on_step=lambda step, word, record: words.append(word)
        )
    )
    assert report.ok
    assert len(report.changes) == 3
    assert herd.digests() == [NEW.digest] * 3
    assert {"staging", "pulling", "checking", "switching"} == set(words)
    assert herd.plan().is_empty
    assert all(one.ok for one in herd.do(herd.provisioner.verify(herd.wanted, herd.lock)))


@pytest.mark.parametrize(
    ("max_failed", "served_then"),
    [(0.0, [NEW, OLD, OLD]), (0.4, [NEW, OLD, NEW])],
)
def test_one_that_fails_in_the_middle(
    herd: Herd, max_failed: float, served_then: list[Any]
) -> None:
    """It keeps its old model; whether the third is begun, the caller decides."""
    _, broken, third = herd.servers
    herd.servers[broken].spoilt = [Spoilt(2, "digest mismatch, file must be downloaded again")]
    with pytest.raises(ApplyFailed, match=r"digest mismatch.*old models go on serving") as raised:
        herd.do(herd.provisioner.apply(herd.plan(), max_failed=max_failed, pull_policy=QUICK))

    report = raised.value.report
    assert herd.digests() == [one.digest for one in served_then]
    assert list(report.failures) == [broken]
    assert report.skipped == (() if max_failed else (third,))
    assert raised.value.__cause__ is report.failures[broken]
    assert herd.servers[broken].names == {full("m"): OLD}

    assert herd.do(herd.provisioner.apply(herd.plan())).ok
    assert herd.digests() == [NEW.digest] * 3


def test_a_change_is_rolled_back_on_its_host(herd: Herd) -> None:
    """And pruned when nobody wants it back."""
    report = herd.do(herd.provisioner.apply(herd.plan()))
    back = herd.do(herd.provisioner.rollback(report.changes[1].id))
    assert herd.digests() == [NEW.digest, OLD.digest, NEW.digest]
    assert (back.host, back.reason) == (list(herd.servers)[1], f"rollback of {back.id - 2}")

    gone = herd.do(herd.provisioner.prune(keep=0, older_than=timedelta(days=1)))
    assert sum(map(len, gone.values())) == 4
    assert not any("arriero" in name for one in herd.servers.values() for name in one.names)
    with pytest.raises(RequestError, match="no longer has it"):
        herd.do(herd.provisioner.rollback(report.changes[0]))


def test_a_pool_is_warmed_and_what_it_took_is_kept(herd: Herd) -> None:
    """For the next preflight, which then knows a host it cannot look into."""
    made = herd.do(herd.provisioner.warm(herd.wanted))
    assert [(one.model, one.alarm) for one in made] == [("m:latest", "")] * 3


def test_a_model_that_fell_out_again_is_an_alarm(herd: Herd) -> None:
    """Loaded a moment ago, and gone: the pool does not fit."""
    first = next(iter(herd.servers.values()))
    first._ps = lambda body: (200, [{"models": []}])  # type: ignore[method-assign]
    made = herd.do(herd.provisioner.warm(herd.wanted))
    assert made[0].alarm.startswith("thrashing: ")
    assert [one.alarm for one in made[1:]] == ["", ""]


def test_two_at_a_time_with_one_journal_are_refused(herd: Herd) -> None:
    """They would undo each other's work."""
    plan = herd.plan()
    with herd.journal.claim(), pytest.raises(RequestError, match="another process"):
        herd.do(herd.provisioner.apply(plan))
    assert herd.digests() == [OLD.digest] * 3


def test_a_stale_lock_is_refused(herd: Herd) -> None:
    """A plan is for what is wanted now."""
    wanted = parse_wanted("[models.other]")
    with pytest.raises(RequestError, match="other:latest is not locked"):
        herd.do(herd.provisioner.plan(wanted, herd.lock))


def test_pins_stay_until_they_are_upgraded(herd: Herd) -> None:
    """The first host has the old model: a lock made now would have another digest."""
    same = herd.do(herd.provisioner.lock(herd.wanted, herd.lock))
    assert same == herd.lock
    anew = herd.do(herd.provisioner.lock(herd.wanted))
    assert anew.models["m:latest"].digest == OLD.digest
    with pytest.raises(RequestError, match="upgrade: x is not in"):
        herd.do(herd.provisioner.lock(herd.wanted, herd.lock, upgrade=["x"]))


def test_clients_are_told_apart_by_their_hosts(journal: Journal) -> None:
    """None, or two for one host, is a mistake."""
    with Client("http://gpu1:1") as one, Client("http://gpu1:1") as other:
        with pytest.raises(RequestError, match="two clients for http://gpu1:1"):
            Provisioner([one, other], journal=journal)
        with pytest.raises(RequestError, match="at least one"):
            Provisioner([], journal=journal)
        assert Provisioner(one, journal=journal).hosts == ("http://gpu1:1",)
