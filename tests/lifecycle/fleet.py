"""A host in memory with its journal, and what a provisioner does with it, step by step."""

from __future__ import annotations

from typing import Any

from arriero.lifecycle import Change, Journal, Lock, Plan, Wanted, parse_wanted
from arriero.lifecycle.applying import applied, rolled_back
from arriero.lifecycle.lockfile import LockedModel
from arriero.lifecycle.locking import locked
from arriero.lifecycle.plan import steps_for
from arriero.lifecycle.survey import surveyed
from arriero.lifecycle.transaction import Manner
from arriero.lifecycle.verifying import Depth, verified
from arriero.types.ensured import PullPolicy
from tests.lifecycle.memory import HOST, Fuse, Memory
from tests.lifecycle.ollama import Ollama

QUICK = Manner(pull_policy=PullPolicy(attempts=2))


class Herd:
    """One host, what it should have, and the journal."""

    def __init__(self, server: Ollama, text: str, journal: Journal, host: str = HOST) -> None:
        self.memory = Memory(server, host)
        self.server = server
        self.wanted: Wanted = parse_wanted(text)
        self.journal = journal
        self.lock = Lock()

    def relock(self, *, newest: bool = True) -> Lock:
        """Pin everything anew, to what the registry has now."""
        known: dict[str, LockedModel] = {}
        for name, model in self.wanted.models.items():
            known[name] = self.run(locked(self.wanted, model, known, newest=newest))
        self.lock = Lock(known)
        return self.lock

    def run(self, work: Any, fuse: Fuse | None = None) -> Any:
        """Run work, until the fuse blows."""
        self.memory.fuse = fuse or Fuse()
        self.memory.is_open = False
        return self.memory.work(work, self.journal)

    def plan(self) -> Plan:
        """Give the plan for now."""
        host = self.memory.host
        state = self.run(surveyed(host, self.wanted.on(host), self.lock))
        opened = self.journal.entries(host=host, only_open=True)
        return Plan(
            tuple(steps_for(self.wanted, self.lock, state)), self.wanted, self.lock, tuple(opened)
        )

    def apply(self, plan: Plan | None = None, fuse: Fuse | None = None) -> list[Change]:
        """Apply a plan, or that for now."""
        made: list[Change] = self.run(applied(plan or self.plan(), self.memory.host, QUICK), fuse)
        return made

    def verify(self, depth: Depth | None = None) -> list[Any]:
        """Check everything."""
        made: list[Any] = self.run(
            verified(self.wanted, self.lock, self.memory.host, depth or Depth())
        )
        return made

    def rollback(self, change: Change, fuse: Fuse | None = None) -> Change:
        """Go back to before a change."""
        made: Change = self.run(rolled_back(change, QUICK), fuse)
        return made

    def actions(self) -> list[tuple[str, str]]:
        """Give what the plan for now would do."""
        return [(step.model, step.action) for step in self.plan().steps]
