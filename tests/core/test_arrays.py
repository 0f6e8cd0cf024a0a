"""Vectors into arrays."""

from __future__ import annotations

import base64
import builtins
import json
from typing import Any

import numpy as np
import pytest

from arriero._core.api.embed import EncodedVectors, embed_encoded
from arriero._core.arrays import array_of
from arriero._core.http import Head
from arriero.errors import MissingExtra, ProtocolError
from arriero.types.embed import EmbedResponse


def encoded(*rows: list[float]) -> EncodedVectors:
    """Give vectors as `/v1/embeddings` sends them."""
    texts = [base64.b64encode(np.array(row, "<f4").tobytes()).decode() for row in rows]
    return decoded([{"object": "embedding", "embedding": text} for text in texts])


def decoded(data: list[Any]) -> EncodedVectors:
    """Decode an answer of `/v1/embeddings`."""
    answer = json.dumps({"object": "list", "data": data}).encode()
    made = embed_encoded("m", ["a"]).whole
    assert made is not None
    vectors = made(Head(200, {}), answer)
    assert vectors is not None
    return vectors


@pytest.mark.parametrize(
    "vectors",
    [
        encoded([1, 2, 3], [4, 5, 6]),
        decoded([{"embedding": [1, 2, 3]}, {"embedding": [4.0, 5.0, 6.0]}]),
        EmbedResponse(embeddings=[[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_vectors_become_rows(vectors: Any) -> None:
    """Both forms give the same array of 32-bit floats, which the caller may change."""
    made = array_of(vectors, 2)

    assert made.dtype == np.float32
    assert made.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert made.flags.writeable


@pytest.mark.parametrize(
    "vectors",
    [
        encoded([1, 2]),
        encoded([1, 2], [3, 4], [5, 6]),
        encoded([1, 2, 3], [4, 5, 6, 7, 8]),
        decoded([{"embedding": "AAAA"}, {"embedding": "AAAA"}]),
        EmbedResponse(embeddings=[[1, 2], [1]]),
        EmbedResponse(),
    ],
)
def test_what_makes_no_array_is_refused(vectors: Any) -> None:
    """Too few or many vectors, unequal lengths and parts of floats are never an array."""
    with pytest.raises(ProtocolError):
        array_of(vectors, 2)


@pytest.mark.parametrize("text", ["A", "A===", "AA*A"])
def test_broken_base64_is_refused(text: str) -> None:
    """What is no base64 is an answer that cannot be read."""
    with pytest.raises(ProtocolError, match="base64"):
        decoded([{"embedding": text}])


def test_numpy_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NumPy the message says what to install."""
    real = builtins.__import__

    def without_numpy(name: str, *rest: Any, **more: Any) -> Any:
        if name == "numpy":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_numpy)
    with pytest.raises(MissingExtra, match=r"arriero\[arrays\]"):
        array_of(encoded([1]), 1)
