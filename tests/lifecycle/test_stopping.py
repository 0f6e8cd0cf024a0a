"""An apply that is stopped undoes what it began: a signal, a cancelled task, several hosts."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from arriero import AsyncClient, Client
from arriero.errors import ArrieroError
from arriero.lifecycle import AsyncProvisioner, Journal, Provisioner, parse_wanted
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.transaction import Manner, taken
from arriero.lifecycle.work import Stopped, Work
from tests.lifecycle.fleet import Herd
from tests.lifecycle.ollama import Ollama, Spoilt, built, full
from tests.lifecycle.served import served

OLD, NEW = built("old weights"), built("new weights")
WANTED = parse_wanted("[models.m]\n[[models.m.smoke]]\nprompt = 'Say yes'\nexpect = 'yes'\n")


@pytest.fixture
def hosts() -> Iterator[dict[str, Ollama]]:
    """Two hosts with an old m, by URL; the next pull of each stands still."""
    with ExitStack() as stack:
        made = [
            Ollama({full("m"): OLD}, {full("m"): NEW}, answers={"weights": "yes"}) for _ in "12"
        ]
        yield {stack.enter_context(served(one)): one for one in made}


def planned(provisioner: Any, hosts: dict[str, Ollama]) -> Any:
    """Lock the new model, which the first host has for a moment, and plan; in the sync colour."""
    first = next(iter(hosts.values()))
    first.names[full("m")] = NEW
    lock = provisioner.lock(WANTED)
    first.names[full("m")] = OLD
    return provisioner.plan(WANTED, lock)


def is_tidy(hosts: dict[str, Ollama]) -> bool:
    """Tell whether every host has its old model and nothing else."""
    return all(one.names == {full("m"): OLD} for one in hosts.values())


def test_ctrl_c_undoes_what_was_begun(hosts: dict[str, Ollama], journal: Journal) -> None:
    """A pull that stands still ends, every name is as it was, and the next apply does it."""
    (url, one), *_ = hosts.items()
    with Client(url) as client:
        provisioner = Provisioner(client, journal=journal)
        plan = planned(provisioner, {url: one})
        one.spoilt = [Spoilt(2, "stall")]
        with pytest.raises(KeyboardInterrupt):
            provisioner.apply(plan, on_step=interrupting)
        assert is_tidy(hosts)
        (entry,) = journal.entries()
        assert (entry.state, "Stopped" in entry.error) == ("undone", True)
        assert provisioner.apply(plan).ok
        assert one.has("m") == NEW.digest


def interrupting(step: Any, word: str, record: Any) -> None:
    """Press Ctrl-C once the pull goes on."""
    if record is not None and record.total:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_all_of_several_hosts(
    hosts: dict[str, Ollama],
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    waits_for: Callable[[Callable[[], object]], None],
) -> None:
    """Their threads are told, and waited for until each has tidied up."""
    rollouts: list[Rollout[Any]] = []
    both = threading.Barrier(2)

    def made(*words: Any, **how: Any) -> Rollout[Any]:
        rollouts.append(Rollout(*words, **how))
        return rollouts[0]

    def told(step: Any, word: str, record: Any) -> None:
        if word == "pulling":
            if both.wait(60) == 0:
                os.kill(os.getpid(), signal.SIGINT)
            waits_for(lambda: rollouts[0].is_interrupted)

    monkeypatch.setattr("arriero.lifecycle._sync.Rollout", made)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(url)) for url in hosts]
        provisioner = Provisioner(clients, journal=journal)
        with pytest.raises(KeyboardInterrupt):
            provisioner.apply(planned(provisioner, hosts), parallel=2, on_step=told)
    assert is_tidy(hosts)
    assert [one.state for one in journal.entries()] == ["undone"] * 2


def test_a_cancelled_task_undoes_what_was_begun(hosts: dict[str, Ollama], journal: Journal) -> None:
    """On every host, before the cancelling goes on."""

    async def main(plan: Any) -> None:
        pulling: set[str] = set()
        both = asyncio.Event()

        def told(step: Any, word: str, record: Any) -> None:
            pulling.add(step.host if word == "pulling" else "")
            if len(pulling - {""}) == 2:
                both.set()

        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(AsyncClient(url)) for url in hosts]
            provisioner = AsyncProvisioner(clients, journal=journal)
            task = asyncio.create_task(provisioner.apply(plan, parallel=2, on_step=told))
            await both.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()

    with ExitStack() as stack:
        clients = [stack.enter_context(Client(url)) for url in hosts]
        plan = planned(Provisioner(clients, journal=journal), hosts)
    for one in hosts.values():
        one.spoilt = [Spoilt(2, "stall")]
    asyncio.run(main(plan))
    assert is_tidy(hosts)
    assert [one.state for one in journal.entries()] == ["undone"] * 2


def test_a_second_ctrl_c_leaves_it_to_the_next_apply(
    hosts: dict[str, Ollama], journal: Journal
) -> None:
    """Nothing is half: the entry is open, and what it began is undone then."""
    url, one = next(iter(hosts.items()))
    with Client(url) as client:
        provisioner = Provisioner(client, journal=journal)
        plan = planned(provisioner, {url: one})
        one.spoilt = [Spoilt(2, "stall")]
        tags, is_first = one._tags, threading.Event()

        def again(body: Any) -> Any:
            if journal.entries(only_open=True) and not is_first.is_set():
                is_first.set()
                os.kill(os.getpid(), signal.SIGINT)
            return tags(body)

        def told(step: Any, word: str, record: Any) -> None:
            if word == "pulling" and not is_first.is_set():
                one._tags = again  # type: ignore[method-assign]
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            provisioner.apply(plan, on_step=told)
        assert [entry.is_open for entry in journal.entries()] == [True]
        assert one.has("m") == OLD.digest
        assert provisioner.apply(plan).ok
        assert [entry.state for entry in journal.entries()] == ["done", "undone"]


def stopping(work: Work[Any], at: int) -> Work[bool]:
    """Stop work before one of its effects; give whether it came so far."""
    effect, count = next(work), 0
    try:
        while True:
            if count == at:
                count += 1
                effect = work.throw(Stopped())
                continue
            count += 1
            try:
                result = yield effect
            except ArrieroError as error:
                effect = work.throw(error)
            else:
                effect = work.send(result)
    except StopIteration:
        return count > at


def test_wherever_it_is_stopped_it_is_whole(tmp_path: Path) -> None:
    """Before each act of a step in turn: undone, or finished if it was proven."""
    ends: set[str] = set()
    for at in itertools.count():
        server = Ollama({full("m"): OLD}, {full("m"): NEW})
        one = Herd(server, "[models.m]\n", Journal(tmp_path / f"{at}.db", durable=False))
        one.relock()
        try:
            came_so_far = one.run(stopping(taken(one.plan().changes[0], Manner()), at))
        except Stopped:
            came_so_far = True
        if not came_so_far:
            break
        states = [entry.state for entry in one.journal.entries()]
        ends.update(states)
        assert len(states) <= 1
        assert server.has("m") == (NEW.digest if states == ["done"] else OLD.digest)
        assert not any("staged" in name for name in server.names)
    assert ends == {"undone", "done"}
