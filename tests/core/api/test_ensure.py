"""Having a model: what is pulled, what is tried again, what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.api.ensure import ensure
from arriero._core.effects import Send
from arriero._core.events import CallStarted
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    DeadlineExceeded,
    DiskFull,
    ModelNotFound,
    RequestError,
    StreamFailed,
    VerificationFailed,
)
from arriero.settings import CallPolicy, Retry, Timeouts
from arriero.types.ensured import PullPolicy, SmokeTest
from tests.lifecycle.memory import Memory
from tests.lifecycle.ollama import Ollama, Spoilt, built, full

OLD, NEW = built("old weights"), built("new weights, rather longer", license="MIT License")


def server(*spoilt: Spoilt, **names: Any) -> Ollama:
    """Give a server that can pull `m`."""
    return Ollama(
        registry={full("m"): NEW},
        spoilt=list(spoilt),
        names={full(name): one for name, one in names.items()},
    )


def ensured(ollama: Ollama, model: str = "m", **arguments: Any) -> Any:
    """Ensure a model there."""
    memory = Memory(ollama)
    return memory.run(ensure(memory.target, model, **arguments))


def pulls(ollama: Ollama) -> int:
    """Count the pulls."""
    return sum(path == "/api/pull" for path, _ in ollama.asked)


@pytest.mark.parametrize("digest", [None, OLD.digest, OLD.digest[7:].upper()])
def test_what_is_there_is_not_pulled(digest: str | None) -> None:
    """One look at the list; a digest is taken with and without its prefix."""
    ollama = server(m=OLD)
    made = ensured(ollama, "M:latest", digest=digest)

    assert (made.pulled, made.digest, made.model) == (False, OLD.digest, "m:latest")
    assert [path for path, _ in ollama.asked] == ["/api/tags"]


def test_what_is_missing_is_pulled_and_checked() -> None:
    """The answer tells digest and size; the caller saw every record."""
    ollama, seen = server(), list[Any]()
    made = ensured(ollama, on_progress=seen.append)

    assert (made.pulled, made.attempts, made.digest) == (True, 1, NEW.digest)
    assert made.size == sum(layer["size"] for layer in NEW.layers)
    assert (seen[0].status, seen[-1].status) == ("pulling manifest", "success")
    assert ollama.asked[-1] == ("/api/show", {"model": "m:latest"})


def test_another_digest_is_pulled_anew() -> None:
    """With a digest wanted, what is there under the name is not enough."""
    ollama = server(m=OLD)
    assert ensured(ollama, digest=NEW.digest).pulled
    assert ollama.has("m") == NEW.digest


def test_a_tag_that_moved_is_refused_before_a_byte_is_pulled() -> None:
    """The registry's manifest is asked first; the message has both digests."""
    ollama = server()
    with pytest.raises(VerificationFailed, match=rf"{NEW.digest}.*{OLD.digest}.*nothing was"):
        ensured(ollama, digest=OLD.digest)
    assert pulls(ollama) == 0


def test_a_tag_that_moved_unseen_is_refused_afterwards() -> None:
    """Where this machine cannot ask the registry, the digest is checked once it is there."""
    ollama = server()
    ollama._registry = lambda path: (503, [])  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed, match="the tag has moved"):
        ensured(ollama, digest=OLD.digest)
    assert pulls(ollama) == 1


def test_a_layer_that_is_not_there_is_noticed() -> None:
    """A server may say success with a file missing."""
    ollama = server()
    ollama.blobs = lambda: {NEW.digests[-1]}  # type: ignore[method-assign]
    with pytest.raises(VerificationFailed, match=r"model layer sha256:\w+ is not there"):
        ensured(ollama, digest=NEW.digest)


def test_policy_and_timeouts_reach_every_request() -> None:
    """List, registry, pull, blobs, show and smoke test; only a pull's tries are its own."""
    told: list[Any] = []
    memory = Memory(server(), observers=[told.append])
    policy = CallPolicy(retry=Retry(attempts=7), tenant="batch", priority=-1)
    budgets, seen = Timeouts(connect_s=3.5), dict[str, Any]()
    act = memory._act

    def watched(effect: Any) -> Any:
        if isinstance(effect, Send):
            seen[effect.request.url] = effect.connect_s
        return act(effect)

    memory._act = watched  # type: ignore[method-assign]
    how: Any = {"digest": NEW.digest, "smoke": SmokeTest("hi"), "timeouts": budgets}
    memory.run(ensure(memory.target, "m", policy=policy, **how))
    starts = [one for one in told if isinstance(one, CallStarted)]
    assert {one.call for one in starts} >= {"GET /api/tags", "POST /api/pull", "POST /api/show"}
    assert {one.policy.tenant for one in starts} == {"batch"}
    pull = next(one.policy for one in starts if one.call == "POST /api/pull")
    assert pull == dataclasses.replace(policy, retry=Retry(attempts=1))
    assert [one.policy for one in starts if one.policy != policy] == [pull]
    assert set(seen.values()) == {3.5}
    assert any("/v2/library/m/manifests/latest" in url for url in seen)


@pytest.mark.parametrize("how", ["cut", "stall", "max retries exceeded: EOF", "digest mismatch, x"])
@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_pull_that_breaks_goes_on_where_it_stopped(how: str, after: int) -> None:
    """It is sent again, and no byte that had come is counted twice."""
    ollama, seen = server(Spoilt(after, how)), list[Any]()
    made = ensured(ollama, on_progress=seen.append)

    assert (made.attempts, made.digest) == (2, NEW.digest)
    done = [record.completed or 0 for record in seen if record.digest == NEW.digests[0]]
    assert done == sorted(done)


def test_the_waits_grow_and_end() -> None:
    """Tries that bring nothing are counted; the last failure is what is raised."""
    ollama = server(*[Spoilt(1, "max retries exceeded: EOF")] * 9)
    memory = Memory(ollama)
    policy = PullPolicy(attempts=4, first_wait_s=2, max_wait_s=5)
    with pytest.raises(StreamFailed, match="max retries exceeded") as raised:
        memory.run(ensure(memory.target, "m", pull_policy=policy))

    assert memory.slept == [2, 4, 5]
    assert (raised.value.attempts, raised.value.call) == (4, "POST /api/pull")
    assert ollama.has("m") is None


def test_each_wait_is_told_with_its_reason() -> None:
    """Whoever watches must not take it for a hang."""
    seen = list[Any]()
    memory = Memory(server(*[Spoilt(1, "max retries exceeded: EOF")] * 2))
    policy = PullPolicy(attempts=4, first_wait_s=2, max_wait_s=5)
    memory.run(ensure(memory.target, "m", pull_policy=policy, on_progress=seen.append))
    told = [one for one in seen if "retry" in one]
    assert [one.retry["wait_s"] for one in told] == memory.slept == [2, 4]
    assert [(one.retry["attempt"], one.retry["attempts"]) for one in told] == [(2, 4), (3, 4)]
    assert "max retries exceeded: EOF" in told[0].retry["reason"]
    assert told[0].status == f"retrying in 2.0 s: {told[0].retry['reason']}, attempt 2 of 4"


def test_a_try_that_brings_bytes_starts_the_count_anew() -> None:
    """A slow line that breaks all the time still gets there."""
    ollama = server(*[Spoilt(3, "cut")] * 3)
    assert ensured(ollama, pull_policy=PullPolicy(attempts=1 + 1)).attempts == 4


def test_a_stall_is_told_apart_from_a_long_wait() -> None:
    """The server repeats its records while nothing comes; what counts is new bytes."""
    ollama = server()
    status = {"status": "pulling x", "digest": "sha256:x", "total": 9, "completed": 3}
    ollama._pull = lambda body: (200, iter([status] * 10_000))  # type: ignore[method-assign]
    memory = Memory(ollama)
    policy = PullPolicy(attempts=2, stall_s=20)
    with pytest.raises(DeadlineExceeded, match="stall_s=20 ran out") as raised:
        memory.run(ensure(memory.target, "m", pull_policy=policy))
    assert raised.value.attempts == 2
    assert 40 <= memory.clock.now_s - 100 <= 45


def test_hashing_is_no_stall() -> None:
    """While the server hashes a large file it says nothing for minutes."""
    ollama = server()
    memory = Memory(ollama, timeouts=Timeouts(idle_s=5))

    def pull(body: Any) -> Any:
        size = 4_000_000_000
        yield {"status": "pulling x", "digest": "sha256:x", "total": size, "completed": size}
        yield {"status": "verifying sha256 digest"}
        memory.clock.now_s += 150
        ollama.names[full("m")] = NEW
        yield {"status": "success"}

    ollama._pull = lambda body: (200, pull(body))  # type: ignore[method-assign]
    assert memory.run(ensure(memory.target, "m")).attempts == 1


def test_total_s_counts_over_all_tries() -> None:
    """A caller's last word on time is not spent anew by each try."""
    memory = Memory(server(*[Spoilt(1, "stall")] * 9))
    with pytest.raises(DeadlineExceeded, match="total_s=100"):
        memory.run(ensure(memory.target, "m", timeouts=Timeouts(total_s=100)))
    assert memory.clock.now_s - 100 <= 101


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("pull model manifest: unauthorized: access denied", AccessDenied, "id_ed25519.pub"),
        ("pull model manifest: open /x/id_ed25519: no such file", AccessDenied, "public key"),
        ("pull model manifest: 412: a newer version of Ollama is needed", StreamFailed, "412"),
        ("this model requires MLX support", StreamFailed, "MLX"),
    ],
)
def test_what_stays_so_is_not_tried_again(text: str, kind: type[ArrieroError], told: str) -> None:
    """Refusals are raised at once, and name the setting to change."""
    ollama = server(Spoilt(1, text))
    with pytest.raises(kind, match=told):
        ensured(ollama)
    assert pulls(ollama) == 1


def test_a_full_disk_says_how_much_is_missing() -> None:
    """As much as the layers seen so far still lack."""
    ollama = server(Spoilt(3, "write /m/blobs/x: no space left on device"))
    with pytest.raises(DiskFull, match=r"the disk of http://gpu1:11434 is full") as raised:
        ensured(ollama)

    size = NEW.layers[0]["size"]
    assert raised.value.missing_bytes == size - size // 3
    assert pulls(ollama) == 1


def test_an_unknown_model_names_the_nearest() -> None:
    """Those the server has, then those everybody knows."""
    ollama = server(**{"lama3.2:3b-mine": OLD, "other": OLD})
    with pytest.raises(ModelNotFound, match=r"nearest known: lama3\.2:3b-mine, llama3\.2:3b"):
        ensured(ollama, "lama3.2:3b")


def test_a_server_that_refuses_names_its_setting() -> None:
    """401 from a proxy before the server is not the registry's."""
    ollama = server()
    ollama._pull = lambda body: (401, [{"error": "no token"}])  # type: ignore[assignment,method-assign]
    with pytest.raises(AccessDenied, match="set auth= of the client"):
        ensured(ollama)


@pytest.mark.parametrize("expect", [None, "sky.is b..e"])
def test_a_smoke_test_that_passes(expect: str | None) -> None:
    """It is asked of what was there already, too."""
    ollama = server(m=OLD)
    ollama.answers = {"old": "The sky\nis blue."}
    ensured(ollama, smoke=SmokeTest("Which colour?", expect))
    body = ollama.asked[-1][1]
    assert body["options"] == {"temperature": 0, "seed": 1, "num_predict": 64}


@pytest.mark.parametrize(("said", "expect"), [("  ", None), ("green", "blue")])
def test_a_smoke_test_that_fails_shows_both(said: str, expect: str | None) -> None:
    """Question, expectation and answer are in the message."""
    ollama = server(m=OLD)
    ollama.answers = {"old": said}
    with pytest.raises(VerificationFailed, match=f"'Which.*expected.*{said!r}"):
        ensured(ollama, smoke=[SmokeTest("Which colour?", expect)])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"model": "a b"}, "no model name"), ({"model": "m", "digest": "12"}, "64 hex digits")],
)
def test_wrong_arguments_are_refused_before_a_byte_is_sent(
    arguments: dict[str, Any], told: str
) -> None:
    """As in every other call."""
    ollama = server()
    with pytest.raises(RequestError, match=told):
        ensured(ollama, **arguments)
    assert ollama.asked == []


SPOILT = st.builds(
    Spoilt, st.integers(0, 12), st.sampled_from(["cut", "stall", "EOF while reading"])
)


@given(st.lists(SPOILT, max_size=6), st.booleans())
def test_whatever_breaks_it_is_there_whole_or_not_at_all(
    spoilt: list[Spoilt], has_old: bool
) -> None:
    """Success means the wanted digest; failure leaves what was there, or a proven new one."""
    ollama = server(*spoilt, **({"m": OLD} if has_old else {}))
    try:
        made = ensured(ollama, digest=NEW.digest, pull_policy=PullPolicy(attempts=3))
    except ArrieroError:
        assert ollama.has("m") in (OLD.digest if has_old else None, NEW.digest)
    else:
        assert ollama.has("m") == made.digest == NEW.digest


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"first_wait_s": 0}, {"max_wait_s": float("inf")}, {"stall_s": -1}],
    ids=str,
)
def test_a_policy_is_checked_when_made(wrong: dict[str, Any]) -> None:
    """The message names the field."""
    with pytest.raises(RequestError, match=next(iter(wrong))):
        PullPolicy(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"prompt": " "}, {"prompt": "x", "expect": "("}, {"prompt": "x", "timeout_s": 0}]
)
def test_a_smoke_test_is_checked_when_made(wrong: dict[str, Any]) -> None:
    """A pattern that is none is found before a model is pulled for it."""
    with pytest.raises(RequestError, match=rf"SmokeTest\.{list(wrong)[-1]}"):
        SmokeTest(**wrong)
