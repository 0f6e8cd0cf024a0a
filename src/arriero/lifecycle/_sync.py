# Generated from arriero/lifecycle/_async.py by tools/unasync.py: edit that file.
"""`Provisioner`: models as they are wanted, on every host."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from arriero.errors import RequestError
from arriero.lifecycle import applying, machine, recording, retention, warm
from arriero.lifecycle._hosts import reported, require_allowed
from arriero.lifecycle._threads import Hosts
from arriero.lifecycle.applying import Report
from arriero.lifecycle.comparing import Side, side_of_host
from arriero.lifecycle.journal import Change
from arriero.lifecycle.lockfile import Lock, LockedModel, require_fresh
from arriero.lifecycle.locking import locked
from arriero.lifecycle.plan import Plan, Step, steps_for
from arriero.lifecycle.preflighted import preflighted
from arriero.lifecycle.recording import OnLost, RecordedAction
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.survey import Entry, listed
from arriero.lifecycle.transaction import Manner, OnStep
from arriero.lifecycle.verifying import Depth, Finding, verified
from arriero.lifecycle.wanted import Wanted
from arriero.lifecycle.warm import Warmed, Watch
from arriero.types.ensured import PullPolicy


class Provisioner(Hosts):
    """Gives hosts the models that ``models.toml`` wants, and takes them back.

    Every change is a transaction for each model and host: the old model serves until the new
    one is proven, and what a crash leaves open is finished or undone by the next `apply`.

    Raises, from every method: `RequestError` for what contradicts itself or a journal that
    cannot be used; the errors of the calls, for a host that cannot be reached.
    """

    def lock(
        self, wanted: Wanted, old: Lock | None = None, *, upgrade: Iterable[str] | bool = False
    ) -> Lock:
        """Pin what is wanted, and give the lock; it is not written.

        A model is pinned to what the first of its hosts has; if that has none, or it is to be
        upgraded, to what the registry has, which is asked from here, without credentials.
        Nothing is pulled.

        Args:
            wanted: From `read_wanted`.
            old: Lock whose pins stay where they still fit.
            upgrade: Models whose pins do not stay; True is all of them.

        Raises:
            RequestError: a model is known neither to its registry nor to its host.
        """
        known: dict[str, LockedModel] = {}
        again = set(wanted.models) if upgrade is True else set(upgrade or ())
        if unknown := again - set(wanted.models):
            raise RequestError(f"upgrade: {', '.join(sorted(unknown))} is not in models.toml")
        for name, model in wanted.models.items():
            kept = None if old is None or name in again else old.models.get(name)
            base_is_same = Lock({**known, name: kept} if kept is not None else {}).has(model)
            if kept is not None and base_is_same:
                known[name] = kept
                continue
            host = self._host_of(wanted, name)
            work = locked(wanted, model, known, newest=name in again)
            known[name] = self._on(host, work)
        return Lock(known)

    def plan(self, wanted: Wanted, lock: Lock, *, enforce_preflight: bool = True) -> Plan:
        """Say what has to be done so that every host has what is locked. Nothing is changed.

        Args:
            wanted: What is wanted.
            lock: A lock that fits it.
            enforce_preflight: Whether a step is refused if the disk cannot hold what it brings.

        Raises:
            RequestError: the lock is stale.
        """
        require_fresh(lock, wanted)
        steps: list[Step] = []
        unfinished: list[Change] = []
        for host in self.hosts:
            state = self._on(host, applying.state_of(host, wanted, lock))
            unfinished += self.journal.entries(host=host, only_open=True)
            steps += preflighted(
                steps_for(wanted, lock, state),
                self._look(host),
                self.journal.loads(host),
                enforce=enforce_preflight,
            )
        return Plan(tuple(steps), wanted, lock, tuple(unfinished))

    def apply(
        self,
        plan: Plan,
        *,
        parallel: int = 1,
        max_failed: float = 0.0,
        pull_policy: PullPolicy | None = None,
        on_step: OnStep | None = None,
    ) -> Report:
        """Do what a plan says, after what a crash left open was finished or undone.

        On a host the steps are taken one after another until one fails. Ctrl-C, or cancelling,
        undoes the step that is being taken, or finishes it if it is proven; steps before it
        stay. A second time leaves that to the next `apply`.

        Args:
            plan: From `plan`.
            parallel: Most hosts at a time.
            max_failed: Share of the hosts that may fail before no further one is begun; 0 stops
                at the first.
            pull_policy: Tries, waits and stalls of pulls.
            on_step: Told what happens: step, a word for it, record of a pull or None. It is
                called from several threads if several hosts run at a time.

        Raises:
            ApplyFailed: a host failed; `report` says what became of each.
            RequestError: the plan has a step that is refused, or another process applies now.
        """
        require_allowed(plan)
        rollout: Rollout[list[Change]] = Rollout(
            plan.hosts, parallel=parallel, max_failed=max_failed
        )
        manner = Manner(plan.wanted.folder, pull_policy, on_step, lambda: rollout.is_interrupted)
        jobs = {host: partial(applying.applied, plan, host, manner) for host in plan.hosts}
        with self.journal.claim():
            self._each(jobs, rollout)
        return reported(rollout)

    def verify(
        self, wanted: Wanted, lock: Lock, *, smoke: bool = True, content: bool = False
    ) -> list[Finding]:
        """Check that every host has what is locked, and answering. Nothing is changed.

        Each finding says what was looked at and what was not: of another machine's files only
        that they are there can be known.

        Args:
            wanted: What is wanted.
            lock: A lock that fits it.
            smoke: Whether smoke tests are asked, which loads the models.
            content: Whether files are read and hashed where they are on this machine, in
                `OLLAMA_MODELS` or where Ollama keeps them by itself.
        """
        require_fresh(lock, wanted)
        found: list[Finding] = []
        for host in self.hosts:
            depth = Depth(smoke, content, machine.blobs_of(host))
            found += self._on(host, verified(wanted, lock, host, depth))
        return found

    @contextmanager
    def recording(
        self,
        action: RecordedAction,
        model: str,
        *,
        host: str | None = None,
        reason: str = "",
        keep: bool = False,
        on_lost: OnLost | None = None,
    ) -> Generator[Change]:
        """Write what a block does to a model into the journal, however the block ends.

        The block makes the call itself; what it raises goes on. A journal that cannot be
        written keeps nothing from being done.

        Args:
            action: What the block does.
            model: Name that is pulled, pushed, made, copied to, or deleted.
            host: Where; None is the first.
            reason: Who asked for it, as the history shall tell.
            keep: True gives the model that is there a second name first, until `prune`: what is
                replaced or deleted can then be gone back to by `rollback`.
            on_lost: Told why something could not be written; None makes it a `RuntimeWarning`.

        Raises:
            ArrieroError: `keep`, and the model could not be kept; the block was not begun.
        """
        host = self.hosts[0] if host is None else host
        change = Change(host, model, action, reason)
        change = self._on(host, recording.begun(change, keep=keep, on_lost=on_lost))
        try:
            yield change
        except BaseException as error:
            self._on(host, recording.ended(change, error, on_lost=on_lost))
            raise
        self._on(host, recording.ended(change, None, on_lost=on_lost))

    def rollback(self, change: int | Change) -> Change:
        """Bring a model back to what it was before a change, and give the new entry.

        Works as long as the host has the old model under any name, which `apply` sees to until
        `prune` takes it. A model that was not there before is taken away; it is kept as well.

        Args:
            change: Entry of the journal, or its number.

        Raises:
            RequestError: the old model is gone or not known, or there is nothing to go back to.
        """
        entry = self.journal.entry(change) if isinstance(change, int) else change
        with self.journal.claim():
            return self._on(entry.host, applying.rolled_back(entry, Manner(Path())))

    def prune(
        self, *, keep: int = 1, older_than: timedelta = timedelta(0), dry_run: bool = False
    ) -> dict[str, list[Entry]]:
        """Delete models that were replaced, and give them by host.

        Args:
            keep: How many of each model stay on each host, the newest.
            older_than: How old one has to be to go.
            dry_run: True only says what would go.
        """
        now = datetime.now(UTC)
        gone: dict[str, list[Entry]] = {}
        with self.journal.claim():
            for host in self.hosts:
                gone[host] = self._on(
                    host, retention.candidates(host, now=now, keep=keep, older_than=older_than)
                )
                if not dry_run:
                    self._on(host, retention.pruned(host, gone[host]))
        return gone

    def warm(self, wanted: Wanted) -> list[Warmed]:
        """Load what is to be kept warm on each host, and wait until all of it is ready.

        What each took in memory goes into the journal, for later preflights.
        """
        made: list[Warmed] = []
        for host in self.hosts:
            pool = warm.pool_of(wanted, host)
            if pool:
                made += self._on(host, warm.warmed(host, pool))
        return made

    def keep_warm(self, wanted: Wanted, host: str, watch: Watch) -> list[Warmed]:
        """Look once at what is to stay loaded on a host, and load again what fell out of memory.

        Call it every so many seconds, with the same `watch`. A model that a request has unpinned
        is pinned again; one that thrashes is left alone until `watch` has forgotten it; one with
        a keep-alive of its own is not looked at.

        Returns:
            Each model of the pool, with `again` if it had to be loaded, and `alarm` if something
            is wrong.
        """
        pool = warm.pool_of(wanted, host)
        return self._on(host, warm.kept_warm(host, pool, watch, now_s=time.monotonic()))

    def side(self, host: str) -> Side:
        """Give what a host has, for `difference`."""
        return side_of_host(self._on(host, listed()))
