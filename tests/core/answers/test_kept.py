"""What is kept of an answer, and that nothing is lost by it."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.answers.kept import answer_of, is_sound, kept
from arriero._core.api.embed import embed, embed_encoded, embeddings
from arriero._core.api.inference import chat, generate
from arriero._core.calls import Call
from arriero._core.http import Head
from arriero._core.operations import made_of

SEED = {"seed": 1}
CHAT = chat("m", [{"role": "user", "content": "hi"}], options=SEED)
GENERATE = generate("m", "hi", options=SEED)
ENCODED = embed_encoded("m", ["a", "b"])


def answer(call: Call[Any], **fields: Any) -> tuple[Any, bytes]:
    """Give an answer as it was decoded, and as it came."""
    body = msgspec.json.encode(fields)
    return made_of(call, Head(200, {}), body), body


def again(call: Call[Any], **fields: Any) -> tuple[Any, Any]:
    """Give an answer, and the same after it was kept."""
    made, body = answer(call, **fields)
    assert is_sound(call, made)
    return made, answer_of(call, kept(made, body))


def test_a_chat_comes_back_whole() -> None:
    """With fields that this version does not know."""
    message = {"role": "assistant", "content": "hello", "new": [1]}
    made, back = again(CHAT, model="m", message=message, done=True, done_reason="stop", newer=2)
    assert back == made
    assert back.newer == 2
    assert back is not made


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_vectors_come_back_as_the_same_numbers(vector: list[float]) -> None:
    """Not nearly the same: what was kept equals what the server would send."""
    made, back = again(embed("m", ["a", "b"]), model="m", embeddings=[vector, vector], extra="x")
    assert back == made
    assert again(embeddings("m", "a"), embedding=vector)[1].embedding == vector


def test_encoded_vectors_come_back_as_the_same_bytes() -> None:
    """Four bytes a number, which is how they came."""
    rows = [struct.pack("<3f", 1, 2, 3), struct.pack("<3f", 4, 5, 6)]
    made, back = again(ENCODED, object="list", data=encoded(*rows), model="m")
    assert back == made
    assert [item.embedding for item in back.data] == rows


def encoded(*rows: bytes) -> list[dict[str, Any]]:
    """Give vectors as `/v1/embeddings` sends them."""
    return [
        {"object": "embedding", "index": index, "embedding": base64.b64encode(row).decode()}
        for index, row in enumerate(rows)
    ]


def test_vectors_of_different_length_come_back() -> None:
    """No server sends them, and none are lost if one does."""
    made, back = again(embed("m", ["a", "b"]), model="m", embeddings=[[1.0], [1.0, 2.5]])
    assert back == made
    rows = [struct.pack("<f", 1), struct.pack("<2f", 4, 5)]
    made, back = again(ENCODED, object="list", data=encoded(*rows), model="m")
    assert back == made


def test_an_answer_bears_the_name_it_was_asked_by() -> None:
    """The same model may have two names."""
    made, body = answer(GENERATE, model="m", response="x", done=True, done_reason="stop")
    other = generate("alias", "hi", options=SEED)
    assert answer_of(other, kept(made, body)).model == "alias"


@pytest.mark.parametrize(
    "fields",
    [
        {"response": "x"},  # an old server's, or no end at all
        {"response": "x", "done": True},
        {"response": "x", "done": True, "done_reason": "length"},  # the server's own context
        {"response": "", "done": True, "done_reason": "stop"},
        {"response": "", "done": True, "done_reason": "load"},
        {"response": "x", "done": True, "done_reason": "stop", "remote_host": "https://o.com"},
    ],
)
def test_a_doubtful_answer_is_not_kept(fields: dict[str, Any]) -> None:
    """Not whole, not saying so, empty, cut by what the call does not name, from elsewhere."""
    made, _ = answer(GENERATE, **fields)
    assert not is_sound(GENERATE, made)


def test_an_answer_cut_by_num_predict_is_kept() -> None:
    """The number is part of the key. Any other end than these two is doubtful."""
    call = generate("m", "hi", options={"seed": 1, "num_predict": 1})
    for reason, is_good in (("length", True), ("stop", True), ("load", False), ("new", False)):
        made, _ = answer(call, response="x", done=True, done_reason=reason)
        assert is_sound(call, made) == is_good


@pytest.mark.parametrize("vectors", [[], [[]], [[1.0]], [[1.0], []], [[1.0], [1.0], [1.0]]])
def test_vectors_that_do_not_fit_the_texts_are_not_kept(vectors: list[list[float]]) -> None:
    """One for each text, and none empty."""
    call = embed("m", ["a", "b"])
    assert not is_sound(call, answer(call, embeddings=vectors)[0])
    rows = [struct.pack(f"<{len(vector)}f", *vector) for vector in vectors]
    assert not is_sound(ENCODED, answer(ENCODED, object="list", data=encoded(*rows))[0])


def test_no_vector_is_not_kept() -> None:
    """As the older endpoint answers a model that has none."""
    call = embeddings("m", "a")
    assert not is_sound(call, answer(call, embedding=[])[0])


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", kept(None, b"{"), kept(None, b"[]")])
def test_damaged_bytes_are_no_answer(data: bytes) -> None:
    """A store may hold anything."""
    assert answer_of(CHAT, data) is None


@given(st.binary(max_size=40))
def test_no_bytes_break_it(data: bytes) -> None:
    """Nothing but an answer or None."""
    assert answer_of(embed("m", "a"), data) is None
