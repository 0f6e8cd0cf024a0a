"""Which calls may share an answer, and when they are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.answers.sameness import canonical, is_repeatable, key_of
from arriero._core.api.embed import embed, embed_encoded, embeddings
from arriero._core.api.inference import chat, generate
from arriero._core.api.service import version

HI = [{"role": "user", "content": "hi"}]


def key(call: Any, model: str = "d", tenant: str = "") -> str:
    """Give the key under one digest."""
    return key_of(call, model, tenant)


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 0.0}, {"seed": 0}, {"seed": 7, "top_k": 5}]
)
def test_a_determined_answer_may_be_shared(options: dict[str, Any]) -> None:
    """Greedy sampling, or a seed that is not random."""
    assert is_repeatable(chat("m", HI, options=options))
    assert is_repeatable(generate("m", "hi", options=options))


@pytest.mark.parametrize(
    "options",
    [None, {}, {"temperature": 0.1}, {"seed": -1}, {"seed": True}, {"temperature": False}],
)
def test_a_random_answer_may_not(options: dict[str, Any] | None) -> None:
    """Somebody who asks twice wants two answers."""
    assert not is_repeatable(chat("m", HI, options=options))


@pytest.mark.parametrize(
    "call",
    [
        chat("m", [], options={"seed": 1}),
        generate("m", "", options={"seed": 1}),
        embed("m", ""),
        embed("m", []),
        chat("m", HI, options={"seed": 1}, stream=True),
        chat("m", HI, options={"seed": 1}, debug_render_only=True),
        version(),
    ],
)
def test_what_does_something_else_is_never_shared(call: Any) -> None:
    """Loading, streams, rendering, and what runs no model."""
    assert not is_repeatable(call)


def test_vectors_may_be_shared() -> None:
    """By each of the three endpoints."""
    for call in (embed("m", "a"), embed_encoded("m", ["a"]), embeddings("m", "a")):
        assert is_repeatable(call)


def test_what_means_the_same_has_the_same_key() -> None:
    """Order of options, whole numbers, defaults written out, keep_alive, one text as a list."""
    one = chat("m", HI, options={"seed": 1, "temperature": 0})
    two = chat("other", HI, options={"temperature": 0.0, "seed": 1}, truncate=True, keep_alive="5m")
    assert key(one) == key(two)
    assert key(embed("m", "a")) == key(embed("m", ["a"], options={}))


@pytest.mark.parametrize(
    "more",
    [
        {"format": "json"},
        {"think": False},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"truncate": False},
        {"options": {"seed": 2}},
        {"options": {"seed": 1, "num_predict": 3}},
    ],
)
def test_what_changes_the_answer_changes_the_key(more: dict[str, Any]) -> None:
    """Every other argument does."""
    plain: dict[str, Any] = {"options": {"seed": 1}}
    assert key(chat("m", HI, **plain)) != key(chat("m", HI, **plain | more))


def test_the_order_inside_a_schema_counts() -> None:
    """A grammar, and a template's tools, are written in that order."""
    one = {"type": "object", "properties": {"a": {}, "b": {}}}
    two = {"type": "object", "properties": {"b": {}, "a": {}}}
    calls = [chat("m", HI, format=schema, options={"seed": 1}) for schema in (one, two)]
    assert key(calls[0]) != key(calls[1])


def test_digest_tenant_and_path_are_part_of_the_key() -> None:
    """And none can be mistaken for another."""
    call = embed("m", "a")
    keys = {key(call), key(call, "e"), key(call, "d", "t"), key(call, "dt"), key(call, "", "d")}
    assert len(keys | {key(embed_encoded("m", ["a"]))}) == 6


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers() | st.text(), min_size=1))
def test_the_order_of_fields_means_nothing(body: dict[str, Any]) -> None:
    """Whatever they are."""
    turned = dict(reversed(body.items()))
    assert canonical({"options": body, **body}) == canonical({**turned, "options": turned})
