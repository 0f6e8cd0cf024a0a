"""Plan, apply, drift, rollback, and a crash at every act, against a host in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.errors import ArrieroError, RequestError, VerificationFailed
from arriero.lifecycle import Change, Journal
from arriero.lifecycle.transaction import Copy, Delete, kept_name, repair, staged_name
from tests.lifecycle.fleet import Herd
from tests.lifecycle.memory import Crash, Fuse
from tests.lifecycle.ollama import Ollama, Spoilt, built, full

OLD = built("old weights", license="MIT License: Permission")
NEW = built("new weights", template="{{ .Prompt }}!", params='{"temperature": 0.5}')
PLAIN = "[models.m]\n"
SMOKED = PLAIN + "[[models.m.smoke]]\nprompt = 'Say yes'\nexpect = 'yes'\n"
MADE = """
[models.m]
[models.mine]
from = "m"
system = "You help."
parameters = { temperature = 0.2 }
"""


def herd(journal: Journal, text: str = PLAIN, **names: Any) -> Herd:
    """Give a host that can pull `m`, locked."""
    server = Ollama(
        registry={full("m"): NEW, full("mirror.example/t/m:1"): NEW},
        names={full(name): one for name, one in names.items()},
        answers={"weights": "yes"},
    )
    made = Herd(server, text, journal)
    made.relock()
    return made


def tidy(server: Ollama) -> bool:
    """Tell whether no temporary name is left."""
    return not any("arriero-staged" in name for name in server.names)


def test_a_model_is_pulled_proven_and_switched_to(journal: Journal) -> None:
    """The new one serves, the old one is kept, the journal says who, when and what."""
    one = herd(journal, SMOKED, m=OLD)
    assert one.actions() == [("m:latest", "pull")]
    (change,) = one.apply()

    assert one.server.has("m") == NEW.digest
    assert one.server.has(kept_name("m", OLD.digest)) == OLD.digest
    assert tidy(one.server)
    assert (change.action, change.state, change.reason) == ("pull", "done", "apply")
    assert (change.before, change.after) == (OLD.digest, NEW.digest)
    assert "@" in change.who
    assert change.duration_s is not None
    assert journal.entries() == [change]


def test_applying_again_changes_nothing(journal: Journal) -> None:
    """No act, no entry."""
    one = herd(journal, MADE, m=OLD)
    one.apply()
    entries, asked = journal.entries(), len(one.server.asked)

    assert one.actions() == [("m:latest", "keep"), ("mine:latest", "keep")]
    assert one.apply() == []
    assert journal.entries() == entries
    changing = {"/api/copy", "/api/delete", "/api/pull", "/api/create"}
    assert not changing & {path for path, _ in one.server.asked[asked:]}


def test_the_old_one_answers_until_the_new_one_is_proven(journal: Journal) -> None:
    """While the smoke test runs, the name still means the old model."""
    one = herd(journal, SMOKED, m=OLD)
    seen: list[Any] = []
    generate = one.server._generate

    def watched(body: Any) -> Any:
        seen.append((body["model"], one.server.has("m")))
        return generate(body)

    one.server._generate = watched  # type: ignore[method-assign]
    one.apply()
    assert seen == [(staged_name("m"), OLD.digest)]


@pytest.mark.parametrize("has_old", [True, False])
def test_a_model_that_fails_its_smoke_test_is_never_served(
    journal: Journal, *, has_old: bool
) -> None:
    """The host is as it was; the entry says why."""
    one = herd(journal, SMOKED, **({"m": OLD} if has_old else {}))
    names = dict(one.server.names)
    one.server.answers = {"weights": "no"}
    with pytest.raises(VerificationFailed, match="model 'm:latest' fails its smoke check"):
        one.apply()

    assert one.server.names == names
    (change,) = journal.entries()
    assert (change.state, change.error[:20]) == ("undone", "VerificationFailed: ")


@pytest.mark.parametrize("how", ["stall", "write: no space left on device", "digest mismatch, x"])
def test_a_pull_that_fails_leaves_the_old_one(journal: Journal, how: str) -> None:
    """Under every name it had."""
    one = herd(journal, m=OLD)
    one.server.spoilt = [Spoilt(2, how)] * 9
    with pytest.raises(ArrieroError):
        one.apply()
    assert one.server.names == {full("m"): OLD}


def test_a_tag_that_moved_after_the_lock_is_not_served(journal: Journal) -> None:
    """What was locked is what is served, or nothing new is."""
    one = herd(journal, m=OLD)
    one.server.registry[full("m")] = built("newer weights")
    with pytest.raises(VerificationFailed, match="if the tag has moved, lock it anew"):
        one.apply()
    assert one.server.names == {full("m"): OLD}


def test_another_source_is_put_back_as_it_was(journal: Journal) -> None:
    """The name it is pulled under may serve somebody else."""
    text = "[models.m]\nsource = 'mirror.example/t/m:1'\n"
    one = herd(journal, text, m=OLD, **{"mirror.example/t/m:1": OLD})
    one.apply()
    assert one.server.has("m") == NEW.digest
    assert one.server.has("mirror.example/t/m:1") == OLD.digest
    assert tidy(one.server)

    two = herd(journal, text)
    two.apply()
    assert two.server.names == {full("m"): NEW}


def test_what_is_there_under_another_name_is_not_pulled(journal: Journal) -> None:
    """A copy costs nothing."""
    one = herd(journal, m=OLD, other=NEW)
    assert one.actions() == [("m:latest", "switch")]
    one.apply()
    assert one.server.has("m") == NEW.digest
    assert not any(path == "/api/pull" for path, _ in one.server.asked)


def test_a_made_model_follows_its_recipe_and_its_base(journal: Journal) -> None:
    """It is made after its base, and made anew when something of it drifts."""
    one = herd(journal, MADE, m=OLD)
    assert one.actions() == [("m:latest", "pull"), ("mine:latest", "create")]
    one.apply()
    assert one.actions() == [("m:latest", "keep"), ("mine:latest", "keep")]

    one.server._create({"model": "mine", "from": "m", "parameters": {"temperature": 1.5}})
    step = one.plan().steps[1]
    assert (step.action, step.reasons) == (
        "create",
        ("parameters.temperature 1.5 -> 0.2", "system"),
    )
    one.apply()
    assert one.actions() == [("m:latest", "keep"), ("mine:latest", "keep")]


def test_a_base_that_moved_is_not_built_on(journal: Journal) -> None:
    """A base that is not in the file itself is pinned all the same."""
    one = herd(journal, "[models.mine]\nfrom = 'm'\nsystem = 'x'\n", m=NEW)
    one.server.names[full("m")] = OLD
    with pytest.raises(
        VerificationFailed, match=r"it is made from m:latest sha256:.* lock it anew"
    ):
        one.apply()
    assert one.server.names == {full("m"): OLD}


def test_drift_is_found_and_mended(journal: Journal) -> None:
    """Somebody else pulled, deleted or built under the name."""
    one = herd(journal, m=NEW)
    assert one.verify()[0].ok
    one.server.names[full("m")] = OLD
    (finding,) = one.verify()
    assert (finding.check, finding.reason[:12]) == ("digest", OLD.digest[7:19])
    del one.server.names[full("m")]
    assert one.verify()[0].check == "missing"
    one.apply()
    assert one.verify()[0].ok


def test_verify_looks_into_a_model(journal: Journal) -> None:
    """A layer that is gone, a model that cannot be described, a wrong answer."""
    one = herd(journal, SMOKED, m=NEW)
    one.server.answers = {"weights": "no"}
    assert one.verify()[0].check == "smoke"
    one.server.shown = {"model_info": {}, "capabilities": []}
    assert one.verify()[0].check == "show"
    one.server.blobs = set  # type: ignore[method-assign]
    assert one.verify()[0].check == "layers"


def test_a_change_is_rolled_back_and_forth(journal: Journal) -> None:
    """As long as the host has what was there before."""
    one = herd(journal, m=OLD)
    (change,) = one.apply()
    back = one.rollback(change)
    assert (one.server.has("m"), back.reason) == (OLD.digest, f"rollback of {change.id}")
    one.rollback(back)
    assert one.server.has("m") == NEW.digest
    with pytest.raises(RequestError, match="what it was before entry"):
        one.rollback(back)


def test_a_first_install_is_rolled_back_to_nothing(journal: Journal) -> None:
    """And forth again: what was taken away is kept."""
    one = herd(journal)
    (change,) = one.apply()
    back = one.rollback(change)
    assert (one.server.has("m"), back.action, back.state) == (None, "remove", "done")
    one.rollback(back)
    assert one.server.has("m") == NEW.digest


def test_what_is_gone_cannot_be_rolled_back_to(journal: Journal) -> None:
    """The message says how to get it again."""
    one = herd(journal, m=OLD)
    (change,) = one.apply()
    one.server._delete({"model": kept_name("m", OLD.digest)})
    with pytest.raises(RequestError, match="no longer has it"):
        one.rollback(change)
    assert one.server.has("m") == NEW.digest


def test_a_host_that_changed_since_the_plan_is_left_alone(journal: Journal) -> None:
    """A plan is what was agreed to, not a wish."""
    one = herd(journal, m=OLD)
    plan = one.plan()
    one.server.names[full("m")] = built("a third one")
    with pytest.raises(RequestError, match="changed since the plan"):
        one.apply(plan)
    assert journal.entries() == []


def test_a_licence_outside_the_list_is_refused(journal: Journal) -> None:
    """Known from the registry, before anything is pulled."""
    one = herd(journal, "[models.m]\nlicences = ['MIT']\n")
    (step,) = one.plan().refused
    assert step.reasons == ("licence NONE is not allowed (allowed: MIT)",)


def test_a_failure_while_putting_back_is_left_to_the_next_run(journal: Journal) -> None:
    """The error says so; the next run ends it."""
    one = herd(journal, SMOKED, m=OLD)
    one.server.answers = {"weights": "no"}
    delete = one.server._delete
    staged = full(staged_name("m"))

    def broken(body: Any) -> Any:
        return (500, [{"error": "busy"}]) if full(body["model"]) == staged else delete(body)

    one.server._delete = broken  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed) as raised:
        one.apply()
    assert "the next run does it" in raised.value.__notes__[0]
    assert (journal.entries()[0].is_open, one.server.has("m")) == (True, OLD.digest)

    one.server._delete, one.server.answers = delete, {"weights": "yes"}  # type: ignore[method-assign]
    one.apply()
    assert [change.state for change in journal.entries()] == ["done", "undone"]
    assert (one.server.has("m"), tidy(one.server)) == (NEW.digest, True)


# A crash at every act


def crashes(make: Any) -> Iterator[tuple[Any, Fuse]]:
    """Give fresh hosts, each with a fuse for another act of what will be done."""
    counted = Fuse()
    one, act = make()
    act(one, counted)
    for at in range(counted.acts):
        for after in (False, True):
            yield make(), Fuse(at, after=after)


@pytest.mark.parametrize("text", [SMOKED, MADE, "[models.m]\nsource = 'mirror.example/t/m:1'\n"])
@pytest.mark.parametrize("has_old", [True, False])
def test_a_crash_anywhere_leaves_a_whole_model_and_the_next_run_ends_it(
    tmp_path: Path, text: str, *, has_old: bool
) -> None:
    """Wherever it ends: old or new, never none or half; then all is as it was planned."""
    numbers = iter(range(10**6))

    def make() -> Any:
        journal = Journal(tmp_path / f"{next(numbers)}.db", durable=False)
        one = herd(journal, text, **({"m": OLD} if has_old else {}))
        plan = one.plan()
        return one, lambda one, fuse: one.apply(plan, fuse)

    for (one, act), fuse in crashes(make):
        with pytest.raises(Crash):
            act(one, fuse)
        found = one.server.has("m")
        assert found in ((OLD.digest,) if has_old else (None,)) + (NEW.digest,)
        one.apply()
        assert one.server.has("m") == NEW.digest
        assert {action for _, action in one.actions()} == {"keep"}
        assert tidy(one.server)
        assert not one.journal.entries(only_open=True)
        assert one.server.has("mirror.example/t/m:1") is None


def test_a_crash_while_rolling_back_is_ended_too(tmp_path: Path) -> None:
    """It is a change like any other."""
    numbers = iter(range(10**6))

    def make() -> Any:
        one = herd(Journal(tmp_path / f"{next(numbers)}.db", durable=False), m=OLD)
        (change,) = one.apply()
        return one, lambda one, fuse: one.rollback(change, fuse)

    for (one, act), fuse in crashes(make):
        with pytest.raises(Crash):
            act(one, fuse)
        assert one.server.has("m") in (OLD.digest, NEW.digest)
        one.apply()  # ends what is open, then brings back what is locked
        assert one.server.has("m") == NEW.digest
        assert tidy(one.server)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=4),
    st.lists(st.builds(Spoilt, st.integers(0, 8), st.sampled_from(["cut", "stall"])), max_size=3),
    st.booleans(),
)
def test_any_run_of_crashes_and_broken_pulls_converges(
    tmp_path_factory: pytest.TempPathFactory,
    fuses: list[tuple[int, bool]],
    spoilt: list[Spoilt],
    has_old: bool,  # hypothesis gives it
) -> None:
    """However often it ends in the middle, the name always means a whole model."""
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal.db", durable=False)
    one = herd(journal, SMOKED, **({"m": OLD} if has_old else {}))
    one.server.spoilt = list(spoilt)
    for at, after in fuses:
        with contextlib.suppress(Crash, ArrieroError):
            one.apply(fuse=Fuse(at, after=after))
        assert one.server.has("m") in (OLD.digest if has_old else None, NEW.digest)
    one.server.spoilt = []
    one.apply()
    assert (one.server.has("m"), tidy(one.server)) == (NEW.digest, True)
    assert not journal.entries(only_open=True)


# What is decided after a crash


def change(state: Any, **more: Any) -> Change:
    """Give an entry of a pull over an old model."""
    given = {
        "before": "sha256:old",
        "after": "sha256:new",
        "staged": "arriero-staged/m:1",
        "kept": "arriero-kept/m:1",
        "keeps": True,
        "landing": "m:latest",
        "landing_before": "sha256:old",
        "landing_kept": "arriero-kept/m:1",
        "landing_keeps": True,
    }
    return Change("h", "m:latest", "pull", state=state, **{**given, **more})


def on_host(**names: str) -> dict[str, str]:
    """Give digests by folded name."""
    known = {"m": "m:latest", "kept": "arriero-kept/m:1", "staged": "arriero-staged/m:1"}
    return {full(known[name]): f"sha256:{digest}" for name, digest in names.items()}


@pytest.mark.parametrize(
    ("state", "found", "acts", "end"),
    [
        ("begun", on_host(m="old"), [], "undone"),
        ("begun", on_host(m="old", kept="old"), [Delete("arriero-kept/m:1")], "undone"),
        (
            "begun",
            on_host(m="new", kept="old"),
            [Copy("arriero-kept/m:1", "m:latest"), Delete("arriero-kept/m:1")],
            "undone",
        ),
        (
            "staged",
            on_host(m="old", kept="old", staged="new"),
            [Delete("arriero-staged/m:1"), Delete("arriero-kept/m:1")],
            "undone",
        ),
        (
            "proven",
            on_host(m="old", kept="old", staged="new"),
            [Copy("arriero-staged/m:1", "m:latest"), Delete("arriero-staged/m:1")],
            "done",
        ),
        (
            "proven",
            on_host(m="new", kept="old", staged="new"),
            [Delete("arriero-staged/m:1")],
            "done",
        ),
        ("proven", on_host(m="new", kept="old"), [], "done"),
        # Somebody took the temporary name away: there is nothing to finish with.
        ("proven", on_host(m="old", kept="old"), [Delete("arriero-kept/m:1")], "undone"),
        # Somebody took the kept one away: what serves stays.
        ("begun", on_host(m="new"), [], "undone"),
    ],
)
def test_what_is_done_after_a_crash(
    state: Any, found: dict[str, str], acts: list[Any], end: str
) -> None:
    """Decided from the entry and the host alone."""
    assert repair(change(state), found) == (acts, end)


def test_a_kept_model_stays_if_the_name_is_not_back(journal: Journal) -> None:
    """It may be the only copy of the old one."""
    one = change("staged", landing="other:latest", landing_before="", landing_kept="")
    acts, _ = repair(one, on_host(m="third", kept="old"))
    assert Delete("arriero-kept/m:1") not in acts
