"""Options of a request: types, defaults, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from arriero.server.options import DEFAULTS, OptionError, parse_options


def test_no_options_mean_ollamas_defaults() -> None:
    """What the caller leaves out is Ollama's default."""
    assert parse_options(None).sampling == dict(DEFAULTS)


def test_floats_for_integers_are_cut() -> None:
    """Values are generic numbers on the wire; 5.9 is 5."""
    assert parse_options({"top_k": 5.9}).sampling["top_k"] == 5


def test_unknown_and_null_options_are_dropped() -> None:
    """A typo is silent, as in Ollama."""
    assert parse_options({"nonsense": 1, "top_k": None}).given == {}


def test_load_options_do_not_reach_sampling() -> None:
    """num_ctx changes how a model is loaded, not how tokens are picked."""
    options = parse_options({"num_ctx": 512})

    assert options.integer("num_ctx") == 512
    assert "num_ctx" not in options.sampling


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"top_k": "many"}, 'option "top_k" must be of type integer'),
        ({"seed": True}, 'option "seed" must be of type integer'),
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ({"stop": "x"}, 'option "stop" must be of type array'),
        ({"stop": ["x", 1]}, 'option "stop" must be of an array of strings'),
    ],
)
def test_a_wrong_type_is_refused(raw: dict[str, Any], message: str) -> None:
    """The message names the option and its type."""
    with pytest.raises(OptionError) as caught:
        parse_options(raw)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [2**40, -(2**40), 1e300])
def test_huge_integers_are_bounded(value: float) -> None:
    """llama.cpp keeps 32 bits; more must not wrap around."""
    assert abs(parse_options({"num_predict": value}).sampling["num_predict"]) <= 2**31
