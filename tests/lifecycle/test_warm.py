"""A pool that is kept warm: what fell out, what was unpinned, what thrashes."""

from __future__ import annotations

from typing import Any

import pytest

from arriero.errors import RequestError
from arriero.lifecycle import Journal, Warmed, Watch, parse_wanted
from arriero.lifecycle.warm import kept_warm, pool_of, warmed
from tests.lifecycle.memory import HOST, Memory
from tests.lifecycle.ollama import Ollama, built, full

TOML = """
[models.m]
preload = true
num_ctx = 512
[models.brief]
preload = true
keep_alive = "5m"
[models.other]
"""
ONE = built("weights")


class Pool:
    """A host with models, and looks at it a minute apart."""

    def __init__(self, journal: Journal, toml: str = TOML) -> None:
        names = {full(name): ONE for name in ("m", "brief", "other")}
        self.server = Ollama(names)
        self.memory = Memory(self.server)
        self.journal = journal
        self.pool = pool_of(parse_wanted(toml), HOST)
        self.watch = Watch()
        self.now_s = 0.0

    def warm(self) -> list[Warmed]:
        """Load everything."""
        made: list[Warmed] = self.memory.work(warmed(HOST, self.pool), self.journal)
        return made

    def look(self) -> Warmed:
        """Look a minute later; give what became of m."""
        self.now_s += 60
        made = self.memory.work(
            kept_warm(HOST, self.pool, self.watch, now_s=self.now_s), self.journal
        )
        (one,) = made
        assert isinstance(one, Warmed)
        return one

    def loads(self) -> list[Any]:
        """Give what was loaded since the last time."""
        made = [body for path, body in self.server.asked if path == "/api/generate"]
        self.server.asked.clear()
        return made


@pytest.fixture
def pool(journal: Journal) -> Pool:
    """A pool that is warm."""
    made = Pool(journal)
    made.warm()
    made.loads()
    return made


def test_what_stays_is_left_in_peace(pool: Pool) -> None:
    """A look at a pool that is whole asks for nothing."""
    one = pool.look()
    assert (one.model, one.again, one.alarm, pool.loads()) == ("m:latest", False, "", [])


def test_what_fell_out_is_loaded_as_it_was(pool: Pool) -> None:
    """With its context, for good; and its memory is written down for the next preflight."""
    pool.server.loaded.clear()
    assert pool.look().again
    (body,) = pool.loads()
    assert (body["keep_alive"], body["options"]) == (-1, {"num_ctx": 512})
    assert not pool.look().again


def test_what_was_unpinned_is_pinned_again(pool: Pool) -> None:
    """A request with a keep-alive of its own takes the pin away; that is no falling out."""
    pool.server.loaded["m:latest"]["expires_at"] = "2026-01-01T00:00:00Z"
    one = pool.look()
    assert (one.again, len(pool.loads())) == (False, 1)
    pool.server.loaded["m:latest"]["expires_at"] = "2318-01-01T00:00:00Z"
    pool.look()
    assert pool.loads() == []


def test_another_context_is_an_alarm_and_not_loaded_over(pool: Pool) -> None:
    """It was loaded so for somebody, who would lose it."""
    pool.server.loaded["m:latest"] |= {
        "context_length": 256,
        "expires_at": "2026-01-01T00:00:00Z",
    }
    assert pool.look().alarm == "its context is 256 tokens, 512 are wanted"
    assert pool.loads() == []


def test_what_falls_out_again_and_again_is_left_alone(pool: Pool) -> None:
    """Three times in ten minutes is thrashing; once that is past, it is tried again."""
    pool.look()
    for _ in range(2):
        pool.server.loaded.clear()
        assert pool.look().alarm == ""
    pool.loads()
    pool.server.loaded.clear()
    one = pool.look()
    assert one.alarm.startswith("thrashing: ")
    assert (one.again, pool.loads()) == (False, [])
    pool.now_s += 600
    assert pool.look().again


def test_a_model_that_is_gone_is_an_alarm(pool: Pool) -> None:
    """The rest of the pool is looked after."""
    pool.server.loaded.clear()
    del pool.server.names[full("m")]
    assert pool.look().alarm.startswith("it cannot be loaded: model 'm:latest' not found")


@pytest.mark.parametrize(
    ("keep_alive", "is_kept"), [("", True), ("-1", True), ('"-1m"', True), ("300", False)]
)
def test_a_keep_alive_that_ends_is_respected(
    journal: Journal, keep_alive: str, *, is_kept: bool
) -> None:
    """Whoever names one wants the model to go when it has run out."""
    line = f"keep_alive = {keep_alive}\n" if keep_alive else ""
    pool = Pool(journal, f"[models.m]\npreload = true\n{line}")
    made = pool.memory.work(kept_warm(HOST, pool.pool, pool.watch, now_s=0), journal)
    assert [one.model for one in made] == (["m:latest"] if is_kept else [])


def test_hosts_are_told_apart() -> None:
    """The same name falls out of each on its own."""
    watch = Watch(limit=1)
    watch.look(["m"], 0, host="a")
    watch.loaded("m", host="b")
    assert watch.look([], 1, host="a") == ("m",)
    assert watch.look(["m"], 1, host="b") == ()
    assert watch.look([], 2, host="b") == ("m",)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"window_s": 0.0}, {"window_s": float("nan")}])
def test_numbers_of_a_watch_are_checked(wrong: dict[str, Any]) -> None:
    """Neither no falls nor no time can be an alarm."""
    with pytest.raises(RequestError, match="Watch"):
        Watch(**wrong)
