"""Embeddings: arguments into requests."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api.embed import embed, embed_encoded, embeddings, texts_of
from arriero._core.governed import whole
from arriero.errors import ModelNotFound, RequestError
from tests.core.script import head, returned, target


def test_every_argument_of_embed_is_sent() -> None:
    """Each under its own name."""
    call = embed("m", ["a"], True, options={"seed": 1}, keep_alive=5, dimensions=3)

    assert (call.name, call.body) == (
        "POST /api/embed",
        {
            "model": "m",
            "input": ["a"],
            "truncate": True,
            "options": {"seed": 1},
            "keep_alive": 5,
            "dimensions": 3,
        },
    )


def test_every_argument_of_embeddings_is_sent() -> None:
    """The older endpoint takes a prompt."""
    call = embeddings("m", "p", options={}, keep_alive="1s")

    assert (call.name, call.body) == (
        "POST /api/embeddings",
        {"model": "m", "prompt": "p", "options": {}, "keep_alive": "1s"},
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: embed("", "a"),
        lambda: embed("m", 5),  # type: ignore[arg-type]  # wrong on purpose
        lambda: embeddings("", "a"),
        lambda: embed_encoded("", ["a"]),
        lambda: texts_of([]),
        lambda: texts_of(b"a"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_wrong_arguments_are_refused(build: Any) -> None:
    """A model, and texts."""
    with pytest.raises(RequestError):
        build()


@pytest.mark.parametrize(("value", "texts"), [("a", ["a"]), ("", [""]), (("a", "b"), ["a", "b"])])
def test_texts_are_a_list(value: Any, texts: list[str]) -> None:
    """One text is a list of one."""
    assert texts_of(value) == texts


def test_vectors_are_asked_for_as_bytes() -> None:
    """By the route that can send them."""
    op = whole(embed_encoded("m", ["a"], dimensions=2), target())
    effect: Any = next(op)

    assert effect.request.url == "http://server:80/v1/embeddings"
    assert effect.request.body == (
        b'{"model":"m","input":["a"],"dimensions":2,"encoding_format":"base64"}'
    )
    op.send(head())
    made = returned(op, b'{"object":"list","data":[{"embedding":"AAAA","index":0}],"model":"m"}')
    assert made.data[0].embedding == bytes(3)


def test_a_server_without_the_route_is_told_apart_from_one_without_the_model() -> None:
    """Both answer 404; only one of them is an error."""
    op = whole(embed_encoded("m", ["a"]), target())
    next(op)
    op.send(head(404))
    assert returned(op, b"404 page not found") is None

    op = whole(embed_encoded("m", ["a"]), target())
    next(op)
    op.send(head(404))
    with pytest.raises(ModelNotFound) as caught:
        op.send(b'{"error":{"message":"model \\"m\\" not found, try pulling it first"}}')
    assert caught.value.call == "POST /v1/embeddings"
