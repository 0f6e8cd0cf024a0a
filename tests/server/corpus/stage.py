"""Ask our server everything the recorded one was asked, in the same order.

The order matters: the store grows, models are loaded and go. Weights are those of the package and
files made from them, so their digests differ; the recorded ones are put in their place.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arriero.server import Server, serve
from arriero.server.quantizer import quantized
from arriero.server.quantizer.mixes import Mix
from tests.wire.cases import Case, cases

from ..store.weights import half_precision, shipped_path, thinking, variant
from .comparing import Told

FILES = {
    "mini": "a321c678b966cb1e5fc2d19c62699f080eab0d4745079c025b817d42a52c0db1",
    "embed": "b7f5d1278a13cea9355df16e6d1f95da83b5ffac48339ab905477c4cf44d5fde",
    "f16": "bc0698f9519594fa9625e225ca9c3e75f79e63cd47a7cd07179e0e5667e8e20c",
    "big": "006df1a4f86d2088422e1caa354e7f19018947752bce2fd9c5e51f22c7596667",
    "think": "dd314983c3de78815521951fd0195f154440df73fb18b433885e0a96d32675e7",
    "plain": "971476e6cdd291d4fe974a8202d9ca8aadb921aa96c71d6fc22b12bb58e43c0a",
    "junk": "236d8e5059d3b12e644e1b129bc6ab7a9e112c2aa8d9aa273b6a5b348413122a",
}
"""Digests of the files the recorded server was given."""

REWRITTEN = {
    "mini": "7b1d3c4dc831b9583d827f7c030b7917ca6dc03d5982883bfb3a9f11c09b4a0a",
    "embed": "f020ad59216886b2b4f76db9c8c49ba3f9e8539ce7eec2bec7e8e588248d04d2",
    "f16": "847946d974bdd4fab797fc63a92a665e59bb0e563567e39125c5b80f79dc77fc",
    "think": "cb8d5202966fc3af48bdd958d9db25ee18faacb54a19b085851b5378f066786f",
    "plain": "3eace0fea91ea57f7347a33f3435481edac2e330ef4d3356c3d452629e3f1bb9",
}
"""What its quantiser made of them: it passes every file through it, which we do not."""

QUANTIZED: Mapping[tuple[str, Mix], str] = {
    ("f16", "Q4_K_M"): "728f740a352775cc9d6b083c2b4e8cbbbf59caefa297941f54de4db19ddb5be7",
    ("f16", "Q8_0"): "614dff55d35b8190f64abf4c2d0f6dd60be587b2c5e067b7c2a5ec2e7035b559",
    ("big", "Q4_K_M"): "33b351391340dce9901a00960d9343828897672804e4137b25abf5739b9ca468",
}
"""Digests of what its quantiser made of files, when it was asked to."""

_VERSION_KEY = '"general.quantization_version":2,'

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


OFF_THE_RECORD: dict[str, Sequence[tuple[str, str, dict[str, Any]]]] = {
    "tags/full": [
        ("DELETE", "/api/delete", {"model": "big-q4"}),
        ("DELETE", "/api/delete", {"model": "mini-odd"}),
        ("DELETE", "/api/delete", {"model": "mini-rend"}),
    ],
    "generate/suffix": [
        (
            "POST",
            "/api/create",
            {
                "model": "mini-fim",
                "from": "mini",
                "template": "<|im_start|>user\n{{ .Prompt }} ... {{ .Suffix }}<|im_end|>\n"
                "<|im_start|>assistant\n",
                "stream": False,
            },
        ),
    ],
    "generate/go-template-stream": [("DELETE", "/api/delete", {"model": "mini-fim"})],
}
"""What was done right before a case and not recorded; templates are guessed from their answers."""


def files(folder: Path) -> dict[str, bytes]:
    """What the recorded server was given."""
    f16 = half_precision()
    path = folder / "f16.gguf"
    path.write_bytes(f16)
    return {
        "mini": shipped_path().read_bytes(),
        "f16": f16,
        "big": variant({"general.name": "big"}, path),
        "embed": variant({"llama.pooling_type": 1}, path),
        "think": thinking(),
        "plain": variant({"tokenizer.chat_template": None}),
        "junk": b"this is no model\n",
    }


class Stage:
    """A server like the recorded one, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "models"
        self._files = files(folder)
        self._digests = {
            FILES[name]: hashlib.sha256(data).hexdigest() for name, data in self._files.items()
        }
        for (name, mix), digest in QUANTIZED.items():
            made = b"".join(_quantized(folder / "source.gguf", self._files[name], mix))
            self._digests[digest] = hashlib.sha256(made).hexdigest()

    def play(self, skipped: Mapping[str, str]) -> dict[str, Told]:
        """Ask everything that is not skipped; give the answers by case."""
        answers: dict[str, Told] = {}
        folder = self._folder
        with serve(models=[], context_length=2048, store=folder, engine="inline") as server:
            for case in cases():
                self._off_the_record(server, case.name)
                if case.name not in skipped:
                    answers[case.name] = self._ask(server, case)
        return answers

    def _off_the_record(self, server: Server, name: str) -> None:
        """Do what was done before a case and not recorded."""
        if name == "create/gguf":
            for data in self._files.values():
                path = f"/api/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
                assert _send(server, "POST", path, data, {}).status in (200, 201)
        for method, path, body in OFF_THE_RECORD.get(name, ()):
            assert _send(server, method, path, json.dumps(body).encode(), {}).status == 200

    def _ask(self, server: Server, case: Case) -> Told:
        text = json.dumps(case.request)
        for old, new in self._digests.items():
            text = text.replace(old, new)
        request = json.loads(text)
        headers = {name: value for name, value in request["headers"] if name != "Content-Length"}
        if headers.get("Host", "").startswith("127."):
            del headers["Host"]
        body = case.content
        if request.get("body") is not None:
            body = json.dumps(request["body"]).encode()
        lines = len(case.lines or ()) if case.ended.startswith("client") else None
        told = _send(server, case.method, request["path"], body, headers, lines=lines)
        return Told(told.status, told.headers, self._recorded_words(told.body))

    def _recorded_words(self, text: str) -> str:
        """A text with the recorded folder in place of ours, and files by their names."""
        text = text.replace(str(self._folder), "<MODELS>").replace(_VERSION_KEY, "")
        # Backwards: of two names for one file the first counts.
        return _named(text, {new: old for old, new in reversed(self._digests.items())})


def recorded(case: Case) -> Told:
    """The recorded answer, files by their names."""
    text = case.answer.decode()
    if case.path == "/api/show":
        # The recorded quantiser adds this key to every file, ours to those it quantises.
        text = text.replace(_VERSION_KEY, "")
    return Told(case.status, _joined(case.response["headers"]), _named(text, {}))


def _quantized(path: Path, data: bytes, mix: Mix) -> Iterator[bytes]:
    path.write_bytes(data)
    return quantized(path, mix, lambda: True)


def _named(text: str, recorded_digests: Mapping[str, str]) -> str:
    names = {digest: name for made in (FILES, REWRITTEN) for name, digest in made.items()}
    names |= {digest: f"{name} as {mix}" for (name, mix), digest in QUANTIZED.items()}

    def name_of(found: re.Match[str]) -> str:
        digest = recorded_digests.get(found[1], found[1])
        return f"weights of {names[digest]}" if digest in names else found[0]

    return _DIGEST.sub(name_of, text)


def _send(
    server: Server,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, Any],
    *,
    lines: int | None = None,
) -> Told:
    """Send one request; read the whole answer, or `lines` of it before leaving."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        if lines is None:
            data = response.read()
        else:
            data = b"".join(response.readline() for _ in range(lines))
        return Told(response.status, _joined(response.getheaders()), data.decode())
    finally:
        connection.close()


def _joined(headers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
