"""Models: arguments into requests, and the operations of several requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arriero._core.api import models
from arriero._core.calls import Call
from arriero._core.effects import HashFile, ReadBody, Send
from arriero._core.http import FileBody
from arriero.errors import ArrieroError, BadRequest, CapabilityError, RequestError
from arriero.settings import Timeouts
from arriero.types.chat import Message
from arriero.types.models import StatusResponse
from arriero.types.options import Options
from tests.core.script import head, returned, target

DIGEST = "sha256:" + "0a" * 32
SHORT = Timeouts(connect_s=1)


@pytest.mark.parametrize(
    ("call", "name", "body"),
    [
        (models.list_models(), "GET /api/tags", None),
        (models.ps(), "GET /api/ps", None),
        (models.show("m"), "POST /api/show", {"model": "m"}),
        (
            models.show("m", verbose=True, system="s", options={"seed": 1}),
            "POST /api/show",
            {"model": "m", "verbose": True, "system": "s", "options": {"seed": 1}},
        ),
        (models.pull("m"), "POST /api/pull", {"model": "m", "stream": False}),
        (
            models.pull("m", insecure=True, stream=True),
            "POST /api/pull",
            {"model": "m", "insecure": True, "stream": True},
        ),
        (
            models.push("m", insecure=False),
            "POST /api/push",
            {"model": "m", "insecure": False, "stream": False},
        ),
        (models.copy("a", "b"), "POST /api/copy", {"source": "a", "destination": "b"}),
        (models.delete("m"), "DELETE /api/delete", {"model": "m"}),
        (
            models.unload("m"),
            "POST /api/generate",
            {"model": "m", "stream": False, "keep_alive": 0},
        ),
        (models.blob_exists(DIGEST), f"HEAD /api/blobs/{DIGEST}", None),
        (models.blob_exists("sha256-" + "0A" * 32), f"HEAD /api/blobs/{DIGEST}", None),
        (
            models.create(
                "m",
                "Q4_K_M",
                "base",
                {"a.gguf": DIGEST},
                {"b": DIGEST},
                "t",
                ("l1", "l2"),
                "s",
                Options(seed=1),
                [Message(role="user", content="x", n=1)],
                stream=True,
                draft_files={"c": DIGEST},
                draft_quantize="Q8_0",
                remote_host="https://h",
                renderer="r",
                parser="p",
                requires="0.30",
                info={"k": 1},
            ),
            "POST /api/create",
            {
                "model": "m",
                "stream": True,
                "quantize": "Q4_K_M",
                "from": "base",
                "files": {"a.gguf": DIGEST},
                "adapters": {"b": DIGEST},
                "template": "t",
                "license": ["l1", "l2"],
                "system": "s",
                "parameters": {"seed": 1},
                "messages": [{"role": "user", "content": "x", "n": 1}],
                "draft_files": {"c": DIGEST},
                "draft_quantize": "Q8_0",
                "remote_host": "https://h",
                "renderer": "r",
                "parser": "p",
                "requires": "0.30",
                "info": {"k": 1},
            },
        ),
        (
            models.create("m", license="one"),
            "POST /api/create",
            {"model": "m", "stream": False, "license": "one"},
        ),
    ],
)
def test_arguments_become_a_request(call: Call[Any], name: str, body: Any) -> None:
    """Method, path and body, nothing else."""
    assert (call.name, call.body) == (name, body)


@pytest.mark.parametrize(
    ("call", "repeat", "patient"),
    [
        (models.list_models(), "always", False),
        (models.delete("m"), "delete", False),
        (models.copy("a", "b"), "always", False),
        (models.pull("m"), "unsent", True),
        (models.pull("m", stream=True), "unsent", False),
        (models.push("m"), "unsent", True),
        (models.create("m"), "unsent", True),
    ],
)
def test_each_call_knows_if_it_may_be_repeated(call: Call[Any], repeat: str, patient: bool) -> None:
    """What starts work is never sent twice; what is silent for hours is not hurried."""
    assert (call.repeat, call.patient) == (repeat, patient)


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.show(""),
        lambda: models.pull(""),
        lambda: models.push(""),
        lambda: models.create(""),
        lambda: models.copy("", "b"),
        lambda: models.copy("a", ""),
        lambda: models.delete(""),
        lambda: models.unload(""),
        lambda: next(models.load(target(), "")),
        lambda: models.blob_exists("sha256:xyz"),
        lambda: models.blob_exists("../secrets"),
        lambda: models.create("m", license={"a": "b"}),  # type: ignore[arg-type]  # wrong on purpose
        lambda: models.create("m", license=["a", 5]),  # type: ignore[list-item]  # likewise
        lambda: models.create("m", files={"a": 5}),  # type: ignore[dict-item]  # wrong on purpose
        lambda: models.create("m", draft_files={"a": None}),  # type: ignore[dict-item]  # likewise
        lambda: next(models.load(target(), "m", keep_alive=0)),
        lambda: next(models.load(target(), "m", keep_alive="300")),
    ],
)
def test_wrong_arguments_fail_before_anything_is_sent(build: Any) -> None:
    """Names are required, digests are digests, loading is not unloading."""
    with pytest.raises(RequestError):
        build()


@pytest.mark.parametrize("build", [models.copy("a", "b"), models.delete("m")])
def test_an_empty_success_says_success(build: Call[StatusResponse]) -> None:
    """The server's body is empty; the official client says as much."""
    assert build.whole is not None
    assert build.whole(head(), b"") == StatusResponse(status="success")


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False)])
def test_a_blob_is_there_or_not(status: int, there: bool) -> None:
    """404 is an answer to this question."""
    call = models.blob_exists(DIGEST)
    assert call.whole is not None

    assert call.whole(head(status), b"") is there
    assert call.accept_status == {404}


def test_a_model_is_loaded_by_generating_nothing() -> None:
    """One request without a prompt; nothing comes back."""
    op = models.load(target(), "m", keep_alive=-1, options={"num_ctx": 8}, timeouts=SHORT)
    effect = next(op)
    assert isinstance(effect, Send)

    assert effect.request.url.endswith("/api/generate")
    assert effect.request.body == (
        b'{"model":"m","stream":false,"options":{"num_ctx":8},"keep_alive":-1}'
    )
    op.send(head())
    assert returned(op, b'{"done":true,"done_reason":"load"}') is None


def test_an_embedding_model_is_loaded_by_embedding_nothing() -> None:
    """A model that cannot generate is asked the other way."""
    op = models.load(target(), "m", keep_alive="1h")
    next(op)
    assert isinstance(op.send(head(400)), ReadBody)
    effect = op.send(b'{"error":"\\"m\\" does not support generate"}')
    assert isinstance(effect, Send)

    assert effect.request.url.endswith("/api/embed")
    assert effect.request.body == b'{"model":"m","input":"","keep_alive":"1h"}'
    op.send(head())
    assert returned(op, b'{"model":"m","embeddings":[]}') is None


def test_a_model_that_can_do_neither_is_an_error() -> None:
    """The second refusal is the caller's."""
    op = models.load(target(), "m")
    next(op)
    op.send(head(400))
    op.send(b'{"error":"no, does not support generate"}')
    op.send(head(400))

    with pytest.raises(CapabilityError):
        op.send(b'{"error":"this model does not support embeddings"}')


def test_a_blob_the_server_has_is_not_sent() -> None:
    """The file is hashed, the server asked, and that is all."""
    op = models.create_blob(target(), "/file", timeouts=SHORT)

    assert next(op) == HashFile("/file")
    effect = op.send((DIGEST, 7))
    assert isinstance(effect, Send)
    assert (effect.request.method, effect.request.body) == ("HEAD", None)
    op.send(head(200))
    assert returned(op, b"") == DIGEST


@pytest.mark.parametrize("status", [200, 201])
def test_a_blob_the_server_lacks_is_sent_from_disk(status: int) -> None:
    """The body is the file itself, with its size, and however long it takes."""
    op = models.create_blob(target(), "/file")
    next(op)
    op.send((DIGEST, 7))
    op.send(head(404))
    effect = op.send(b"")
    assert isinstance(effect, Send)

    assert effect.request.url == f"http://server:80/api/blobs/{DIGEST}"
    assert (effect.request.method, effect.request.body) == ("POST", FileBody("/file", 7))
    assert effect.request.size == 7
    assert dict(effect.request.headers)["content-type"] == "application/octet-stream"
    assert effect.until is None
    op.send(head(status))
    assert returned(op, b"") == DIGEST


def test_a_refused_blob_is_an_error() -> None:
    """Such as one that changed after it was hashed."""
    op = models.create_blob(target(), "/file")
    next(op)
    op.send((DIGEST, 7))
    op.send(head(404))
    op.send(b"")
    op.send(head(400))

    with pytest.raises(BadRequest, match="digest mismatch"):
        op.send(b'{"error":"digest mismatch"}')


@pytest.mark.parametrize("path", [5, None, b"/file"])
def test_a_path_is_a_text_or_a_path(path: Any) -> None:
    """What is neither is refused with its type."""
    with pytest.raises(RequestError, match=type(path).__name__):
        next(models.create_blob(target(), path))


def test_a_path_object_is_read_by_its_name() -> None:
    """`pathlib` and whatever else names a file."""
    assert next(models.create_blob(target(), Path("a"))) == HashFile("a")


def test_a_file_that_cannot_be_read_is_named() -> None:
    """With the system's reason."""
    op = models.create_blob(target(), "/file")
    next(op)

    with pytest.raises(ArrieroError, match="'/file' cannot be read: No such file"):
        op.throw(FileNotFoundError(2, "No such file"))
