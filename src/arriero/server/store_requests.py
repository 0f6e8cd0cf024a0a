"""Read the bodies of create, copy, delete, pull and push requests.

Source: Ollama v0.33.0-rc2, api/types.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .bodies import (
    Fields,
    Place,
    read_anything,
    read_body,
    read_flag,
    read_list,
    read_map,
    read_object,
    read_text,
)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Body of ``POST /api/create``; `license` and `info` are unchecked.

    The old keys `name` and `quantization` have become `model` and `quantize`. Maps are names of
    files and digests; None means the key was absent.
    """

    model: str = ""
    source: str = ""
    files: Mapping[str, str] | None = None
    adapters: Mapping[str, str] | None = None
    draft_files: Mapping[str, str] | None = None
    quantize: str = ""
    draft_quantize: str = ""
    template: str = ""
    system: str = ""
    license: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    messages: Sequence[Mapping[str, str]] = ()
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    remote_host: str = ""
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stream: bool = True


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """Body of ``POST /api/copy``."""

    source: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """Body of ``POST /api/pull`` and ``/api/push``; the old key `name` has become `model`."""

    model: str = ""
    insecure: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    stream: bool = True


def read_create(body: bytes) -> CreateRequest:
    """Read the body of a create request. Raises `RequestRefused`."""
    fields = read_body(body, "CreateRequest", _CREATE)
    for old, new in (("name", "model"), ("quantization", "quantize")):
        value = fields.pop(old, "")
        fields[new] = fields.get(new) or value
    return CreateRequest(**fields)


def read_copy(body: bytes) -> CopyRequest:
    """Read the body of a copy request. Raises `RequestRefused`."""
    return CopyRequest(**read_body(body, "CopyRequest", _COPY))


def read_delete(body: bytes) -> str:
    """Read the name in the body of a delete request. Raises `RequestRefused`."""
    fields = read_body(body, "DeleteRequest", _DELETE)
    return str(fields.get("model") or fields.get("name", ""))


def read_pull(body: bytes) -> TransferRequest:
    """Read the body of a pull request. Raises `RequestRefused`."""
    return _transfer(body, "PullRequest")


def read_push(body: bytes) -> TransferRequest:
    """Read the body of a push request. Raises `RequestRefused`."""
    return _transfer(body, "PushRequest")


def _transfer(body: bytes, struct: str) -> TransferRequest:
    fields = read_body(body, struct, _TRANSFER)
    name = fields.pop("name", "")
    return TransferRequest(**{**fields, "model": fields.get("model") or name})


def _digests(value: Any, place: Place) -> dict[str, str]:
    found = read_map(value, place, "map[string]string")
    return {name: read_text(digest, place) for name, digest in found.items()}


def _messages(value: Any, place: Place) -> list[dict[str, str]]:
    return [_message(item, place) for item in read_list(value, place, "[]api.Message")]


def _message(value: Any, place: Place) -> dict[str, str]:
    raw = {} if value is None else read_map(value, place, "api.Message")
    found = read_object(raw, place, _MESSAGE)
    return {"role": found.get("role", "").lower(), "content": found.get("content", "")}


_MESSAGE: Fields = {"role": ("role", read_text), "content": ("content", read_text)}

_CREATE: Fields = {
    "model": ("model", read_text),
    "name": ("name", read_text),
    "from": ("source", read_text),
    "files": ("files", _digests),
    "adapters": ("adapters", _digests),
    "draft_files": ("draft_files", _digests),
    "quantize": ("quantize", read_text),
    "quantization": ("quantization", read_text),
    "draft_quantize": ("draft_quantize", read_text),
    "template": ("template", read_text),
    "system": ("system", read_text),
    "license": ("license", read_anything),
    "parameters": ("parameters", read_map),
    "messages": ("messages", _messages),
    "renderer": ("renderer", read_text),
    "parser": ("parser", read_text),
    "requires": ("requires", read_text),
    "remote_host": ("remote_host", read_text),
    "info": ("info", read_map),
    "stream": ("stream", read_flag),
}

_COPY: Fields = {"source": ("source", read_text), "destination": ("destination", read_text)}

_DELETE: Fields = {"model": ("model", read_text), "name": ("name", read_text)}

_TRANSFER: Fields = {
    "model": ("model", read_text),
    "name": ("name", read_text),
    "insecure": ("insecure", read_flag),
    "username": ("username", read_text),
    "password": ("password", read_text),
    "stream": ("stream", read_flag),
}
