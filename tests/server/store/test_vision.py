"""Models that are shown pictures: made from two files, shown as such, and asked."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from arriero.server import Server, serve

from ..conftest import ask_server
from .projector import projector
from .weights import shipped_path

pytestmark = pytest.mark.slow

FIXED = {"temperature": 0, "seed": 1, "num_predict": 12}
TEMPLATE = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"


def picture(color: tuple[int, int, int], kind: str = "PNG") -> str:
    """A picture of one color, in base64."""
    data = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


RED = picture((255, 0, 0))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the mini model made to see, with its own template and with one of Go."""
    with serve() as running:
        files: dict[str, str] = {}
        for name, data in (("m.gguf", shipped_path().read_bytes()), ("p.gguf", projector())):
            files[name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
            made = ask_server(running, "POST", f"/api/blobs/{files[name]}", data)
            assert made.status == 201
        body = {"model": "seer", "files": files, "stream": False}
        assert ask_server(running, "POST", "/api/create", body).json == {"status": "success"}
        body = {"model": "seer-go", "from": "seer", "template": TEMPLATE, "stream": False}
        assert ask_server(running, "POST", "/api/create", body).json == {"status": "success"}
        yield running


def ask(server: Server, path: str, **body: Any) -> Any:
    """Ask without a stream; the answer must be good."""
    whole = {"model": "seer", "stream": False, "options": FIXED, **body}
    answer = ask_server(server, "POST", path, whole)
    assert answer.status == 200, answer.body
    return answer.json


def test_it_is_shown_as_a_model_that_sees(server: Server) -> None:
    """Capability, family, projector and a second FROM."""
    shown = ask_server(server, "POST", "/api/show", {"model": "seer"}).json
    assert "vision" in shown["capabilities"]
    assert shown["details"]["families"] == ["llama", "clip"]
    assert shown["projector_info"]["general.architecture"] == "clip"
    assert shown["projector_info"]["clip.vision.image_size"] == 28
    assert shown["modelfile"].count("\nFROM ") == 2
    [row, *_] = ask_server(server, "GET", "/api/tags").json["models"]
    assert "vision" in row["capabilities"]


@pytest.mark.parametrize("model", ["seer", "seer-go"])
def test_a_chat_about_a_picture(server: Server, model: str) -> None:
    """The picture is part of the prompt: it takes tokens, and another one other words' place."""
    said = {"role": "user", "content": "What is this?"}
    without = ask(server, "/api/chat", model=model, messages=[said])
    with_one = ask(server, "/api/chat", model=model, messages=[{**said, "images": [RED]}])
    jpeg = picture((0, 0, 255), "JPEG")
    with_two = ask(server, "/api/chat", model=model, messages=[{**said, "images": [RED, jpeg]}])
    counts = [answer["prompt_eval_count"] for answer in (without, with_one, with_two)]
    assert counts[0] < counts[1] < counts[2]
    assert with_one["message"]["content"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_about_a_picture(server: Server, stream: bool) -> None:
    """As a chat of one message; no tokens to continue from, as they cannot stand for a picture."""
    body = {"model": "seer", "prompt": "What is this?", "images": [RED], "options": FIXED}
    answer = ask_server(server, "POST", "/api/generate", {**body, "stream": stream})
    last = answer.records[-1]
    assert answer.text
    assert (last["done"], last["done_reason"], "context" in last) == (True, "length", False)


def test_openais_picture_parts(server: Server) -> None:
    """The façade hands them on."""
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}},
    ]
    body = {"model": "seer", "max_tokens": 5, "messages": [{"role": "user", "content": content}]}
    answer = ask_server(server, "POST", "/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    assert answer.json["choices"][0]["message"]["content"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_what_is_no_picture_is_refused(server: Server, path: str) -> None:
    """With llama.cpp's words, and the model goes on."""
    bad = base64.b64encode(b"no picture").decode()
    body = {"model": "seer", "prompt": "x", "images": [bad], "stream": False}
    body["messages"] = [{"role": "user", "content": "x", "images": [bad]}]
    answer = ask_server(server, "POST", path, body)
    assert answer.status == 400, answer.body
    assert "image" in answer.json["error"]
    assert ask(server, "/api/generate", prompt="Hello")["done"]


def test_a_model_that_cannot_see_says_so(server: Server) -> None:
    """The errors are those of the recorded server; `tests/server/corpus` has them in full."""
    body = {"model": "mini", "prompt": "x", "images": [RED], "stream": False}
    answer = ask_server(server, "POST", "/api/generate", body)
    assert answer.status == 400
    assert "does not support multimodal requests" in answer.json["error"]
