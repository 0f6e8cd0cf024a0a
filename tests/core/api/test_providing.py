"""A model that a call asks for and the server lacks is pulled once, if it may be."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api.inference import generate
from arriero._core.api.models import show
from arriero._core.api.providing import provider
from arriero._core.governed import whole
from arriero.errors import CircuitOpen, DeadlineExceeded, ModelNotFound, RequestError, ServerError
from arriero.settings import Breaker, Limits, Timeouts
from tests.lifecycle.memory import Memory
from tests.lifecycle.ollama import Ollama, Spoilt, built, full

NEW = built("weights")


def asked(ollama: Ollama, allowed: Any, model: str = "m", **how: Any) -> Any:
    """Generate with a client that may pull."""
    memory = Memory(ollama, provide=provider(allowed), **how)
    return memory.run(whole(generate(model, "hi"), memory.target))


def server(*spoilt: Spoilt) -> Ollama:
    """Give a server that can pull `m` and does not have it."""
    return Ollama(registry={full("m"): NEW, full("ns/n:7b"): NEW}, spoilt=list(spoilt))


@pytest.mark.parametrize(
    ("allowed", "model"),
    [
        (True, "m"),
        (["m"], "m"),
        (["M:latest"], "m"),
        (["x", "m"], "m:latest"),
        (["ns/n:*"], "ns/n:7b"),
        (["ns/*:7b"], "NS/n:7B"),
    ],
)
def test_a_model_on_the_list_is_pulled_and_the_call_goes_on(allowed: Any, model: str) -> None:
    """The caller only sees the answer."""
    ollama = server()
    assert asked(ollama, allowed, model).response == "hello"
    assert [path for path, _ in ollama.asked].count("/api/pull") == 1


@pytest.mark.parametrize("allowed", [[], ["x"], ["m:7b"], ["m*x"], ["ns/*:*"]])
def test_no_other_model_is_pulled(allowed: list[str]) -> None:
    """It is not found, as without the list."""
    ollama = server()
    with pytest.raises(ModelNotFound, match="model 'm' not found"):
        asked(ollama, allowed)
    assert [path for path, _ in ollama.asked] == ["/api/generate"]


def test_it_is_pulled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that still does not have it is believed."""
    ollama = server()
    monkeypatch.setattr(ollama, "_generate", lambda body: (404, [{"error": "model 'm' not found"}]))
    with pytest.raises(ModelNotFound):
        asked(ollama, True)
    paths = [path for path, _ in ollama.asked]
    assert (paths.count("/api/generate"), paths.count("/api/pull")) == (2, 1)


def test_calls_about_models_pull_nothing() -> None:
    """To show a model is not to want it."""
    memory = Memory(server(), provide=provider(True))
    with pytest.raises(ModelNotFound):
        memory.run(whole(show("m"), memory.target))
    assert [path for path, _ in memory.server.asked] == ["/api/show"]


def test_the_pull_takes_no_permit_of_its_own() -> None:
    """With one call at a time it would wait for itself for ever."""
    assert asked(server(), True, limits=Limits(concurrency=1)).response == "hello"


def test_a_probe_that_pulls_is_one_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found without the model makes room for the try with it."""
    ollama = server()
    memory = Memory(ollama, provide=provider(True), breaker=Breaker(failures=1, open_s=5))
    call = generate("m", "hi")
    with monkeypatch.context() as patch:
        patch.setattr(ollama, "_generate", lambda body: (500, [{"error": "CUDA error"}]))
        with pytest.raises(ServerError):
            memory.run(whole(call, memory.target))
    with pytest.raises(CircuitOpen):
        memory.run(whole(call, memory.target))
    memory.clock.now_s += 5
    assert memory.run(whole(call, memory.target)).response == "hello"


def test_the_time_of_the_call_counts_for_the_pull() -> None:
    """A caller's last word on time."""
    ollama = server(*[Spoilt(1, "stall")] * 9)
    with pytest.raises(DeadlineExceeded, match="total_s="):
        asked(ollama, True, timeouts=Timeouts(total_s=50))


@pytest.mark.parametrize("allowed", ["m", 5, [5], ["a b"]])
def test_a_list_that_makes_no_sense_is_refused(allowed: Any) -> None:
    """When the client is made."""
    with pytest.raises(RequestError, match="auto_pull"):
        provider(allowed)
