"""`arriero bench`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable

import pytest

from arriero import AsyncClient, errors
from arriero.cli.bench.load import Answer, Level, Load
from arriero.cli.bench.report import report_of
from arriero.testing import ScriptedServer, faults

from ..program import Program

Run = Callable[..., tuple[int, str, str]]


def asked(scripted: ScriptedServer) -> list[str]:
    """Give the prompts a server got."""
    return [one.json["prompt"] for one in scripted.requests if one.path == "/api/generate"]


def test_a_measurement_is_one_document(run: Run) -> None:
    """What was measured, and how, in seconds and tokens; the warm-up does not count."""
    with ScriptedServer() as scripted:
        scripted.on().reply("one two three")
        words = ["bench", "m", "-n", "4", "-c", "2", "-c", "3", "--json", "-o", "seed=7"]
        code, out, err = run(*words, host=scripted.url)
        prompts = asked(scripted)
        options = scripted.requests[-1].json["options"]
    found = json.loads(out)
    assert (code, err, found["model"], found["requests"]) == (0, "", "m", 4)
    assert [level["concurrency"] for level in found["levels"]] == [2, 3]
    for level in found["levels"]:
        assert (level["answers"], level["failures"]) == (4, {})
        assert level["first_token_s"]["count"] == 4
        assert 0 < level["first_token_s"]["min"] <= level["total_s"]["max"] <= level["wall_s"]
        assert level["total_s"]["p95"] is None
    assert len(prompts) == 2 * (1 + 4)
    assert found["options"] == options == {"temperature": 0, "num_predict": 128, "seed": 7}


def test_no_two_prompts_begin_alike(run: Run) -> None:
    """Else servers skip reading what they read before, and seem faster than they are."""
    with ScriptedServer() as scripted:
        scripted.on().reply("x")
        run("bench", "m", "-n", "5", "--prompt", "Why?", host=scripted.url)
        different = asked(scripted)
        run("bench", "m", "-n", "5", "--prompt", "Why?", "--same-prompt", host=scripted.url)
        same = asked(scripted)[len(different) :]
    assert len({prompt.split(".")[0] for prompt in different}) == len(different) == 6
    assert same == ["Why?"] * 6


class Counting(Load):
    """Counts how many requests run, instead of sending them."""

    running = most = 0

    async def _ask(self, client: AsyncClient) -> Answer:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(5):
            await asyncio.sleep(0)
        self.running -= 1
        return Answer(0, 0, 0, is_counted=True, tokens_per_s=None)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (50, 10)])
def test_as_many_run_at_a_time_as_asked_for(concurrency: int, most: int) -> None:
    """Never more; and no fewer, as long as there are requests left."""
    load = Counting(
        *(None, None), model="m", prompt="p", is_same=False, options={}, keep_alive=None
    )
    level = Level(concurrency)
    load.run(level, 10, lambda: None)
    assert (load.most, len(level.answers)) == (most, 10)


def test_failures_are_counted_and_not_tried_again(run: Run) -> None:
    """They are no part of the times, and the exit code tells of them."""
    with ScriptedServer() as scripted:
        scripted.on().reply("x")
        scripted.fault(faults.Status(503), times=2, when=lambda _: 2 <= len(asked(scripted)) <= 4)
        code, out, _ = run("bench", "m", "-n", "5", "--json", host=scripted.url)
        assert len(asked(scripted)) == 6
    (level,) = json.loads(out)["levels"]
    assert (code, level["answers"], list(level["failures"].values())) == (1, 3, [2])
    assert level["total_s"]["count"] == 3


def test_nothing_answered_is_the_error_itself(run: Run) -> None:
    """A name that is not there is exit code 4, not a table of dashes."""
    with ScriptedServer(["there"]) as scripted:
        for warm_up in ("0", "1"):
            words = ["bench", "absent", "-n", "2", "--warm-up", warm_up, "-q"]
            code, out, err = run(*words, host=scripted.url)
            assert code == 4
            assert "p50" not in out
            assert err.startswith("arriero: model 'absent' not found")


def test_a_report_fits_sixty_columns() -> None:
    """Milliseconds below a second; no percentile of too few; kinds of failures."""
    answers = [Answer(0.1, 1.5, 50, is_counted=True, tokens_per_s=40.0)] * 3
    failures: list[errors.ArrieroError] = [errors.ServerBusy("busy", 503)] * 2
    level = Level(4, answers, failures, wall_s=2.0)
    assert report_of(level).splitlines() == [
        "4 at a time              p50       p95       min       max",
        "first token         100.0 ms         -  100.0 ms  100.0 ms",
        "whole answer          1.50 s         -    1.50 s    1.50 s",
        "tokens/s of each        40.0         -      40.0      40.0",
        "tokens of each            50         -        50        50",
        "in all: 3 answers, 150 tokens in 2.00 s: 75.0 tokens/s",
        "failed: 2 times ServerBusy: busy (status code: 503)",
    ]


def test_tokens_that_the_server_does_not_count_are_said_to_be_parts() -> None:
    """A proxy may leave the numbers out: no rate is made up."""
    level = Level(1, [Answer(0.1, 1.5, 5, is_counted=False, tokens_per_s=None)], wall_s=1.5)
    report = report_of(level)
    assert "tokens/s of each           -" in report
    assert report.endswith("The server counts no tokens: what is counted is the parts that came.")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_it_without_a_traceback(
    number: signal.Signals, code: int, waits_for: Callable[[Callable[[], object]], None]
) -> None:
    """Ctrl-C shows what was measured so far; the exit code is that of the signal."""
    with ScriptedServer() as scripted:
        scripted.on(says="story").reply("word " * 5)
        words = ("bench", "m", "-n", "100000", "-c", "2", "--host", scripted.url)
        with Program(*words) as process:
            waits_for(lambda: len(asked(scripted)) >= 5)
            process.send_signal(number)
            out, err = process.ended()
    assert (process.returncode, err) == (code, "")
    assert ("in all: " in out) == (number == signal.SIGINT)
