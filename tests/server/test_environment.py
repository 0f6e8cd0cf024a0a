"""Ollama's environment variables."""

from __future__ import annotations

import logging

import pytest

from arriero.server.environment import Environment, read_environment


def test_without_variables_nothing_is_said() -> None:
    """Empty ones and those of others count as absent."""
    assert read_environment({"OLLAMA_HOST": " ", "OLLAMA_MODELS": "''", "HOST": "x"}) == (
        Environment()
    )


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("1.2.3.4", "1.2.3.4", 11434),
        ("0.0.0.0:80", "0.0.0.0", 80),
        (":1234", "0.0.0.0", 1234),
        (":0", "0.0.0.0", 0),
        ("example.com", "example.com", 11434),
        ("[::1]:1337", "::1", 1337),
        ("::1", "::1", 11434),
        ("[::1]", "::1", 11434),
        ("http://1.2.3.4", "1.2.3.4", 80),
        ("https://example.com/ollama", "example.com", 443),
        (' "1.2.3.4" ', "1.2.3.4", 11434),
    ],
)
def test_where_it_listens(value: str, host: str, port: int) -> None:
    """As Ollama reads it; scheme and path do not count."""
    found = read_environment({"OLLAMA_HOST": value})
    assert (found.host, found.port) == (host, port)


def test_everything_else() -> None:
    """Numbers, durations, lists, and flags that are on unless they say no."""
    found = read_environment({
        "OLLAMA_ORIGINS": "http://a, http://b:*,",
        "OLLAMA_MODELS": "/models",
        "OLLAMA_KEEP_ALIVE": "300",
        "OLLAMA_MAX_LOADED_MODELS": "2",
        "OLLAMA_MAX_QUEUE": "0",
        "OLLAMA_NUM_PARALLEL": "8",
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_NOPRUNE": "yes",
        "OLLAMA_DEBUG": "False",
    })  # fmt: skip
    assert found == Environment(
        origins=("http://a", "http://b:*"),
        store="/models",
        keep_alive="300s",
        max_loaded_models=2,
        num_parallel=8,
        context_length=8192,
        prune=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OLLAMA_KEEP_ALIVE", "soon"),
        ("OLLAMA_NUM_PARALLEL", "-1"),
        ("OLLAMA_MAX_QUEUE", "many"),
    ],
)
def test_what_makes_no_sense_is_left_aside(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that names the variable; the server comes up."""
    with caplog.at_level(logging.WARNING, "arriero.server"):
        assert read_environment({name: value}) == Environment()
    assert name in caplog.text


def test_an_impossible_port_is_the_usual_one(caplog: pytest.LogCaptureFixture) -> None:
    """As in Ollama."""
    with caplog.at_level(logging.WARNING, "arriero.server"):
        assert read_environment({"OLLAMA_HOST": "1.2.3.4:66000"}).port == 11434
        assert read_environment({"OLLAMA_HOST": "1.2.3.4:x"}).port == 11434
    assert caplog.text.count("OLLAMA_HOST") == 2
