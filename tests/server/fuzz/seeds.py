"""Well-formed requests to every route, to be damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..v1.test_hostile_bodies import GOOD

DIGEST = "sha256:1b0cc1b7bb2f6e4c8e9a5f1bd0ac3a9a8e2e6cf9b62a0a3a1ab0ad3ab4b2f0c1"
"""Of nothing in particular."""

_TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "$defs": {"a": {"type": "string"}},
            "properties": {
                "city": {"type": ["string", "null"], "description": "d", "enum": ["Lima", None]},
                "days": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {}}]},
            },
        },
    },
}
_OPTIONS: Mapping[str, Any] = {
    "num_keep": 1, "seed": 1, "num_predict": 2, "top_k": 1, "top_p": 0.5, "min_p": 0.1,
    "typical_p": 0.9, "repeat_last_n": 2, "temperature": 0.1, "repeat_penalty": 1.1,
    "presence_penalty": 0.1, "frequency_penalty": 0.1, "stop": ["x", "yy"], "num_ctx": 128,
    "num_batch": 32, "num_gpu": 0, "main_gpu": 0, "use_mmap": True, "num_thread": 1,
    "draft_num_predict": 0,
}  # fmt: skip
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-c]+$"},
        "b": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 2},
        "c": {"oneOf": [{"const": 1}, {"$ref": "#/$defs/x"}]},
    },
    "$defs": {"x": {"enum": ["u", "v"]}},
}
_MESSAGES: Sequence[Mapping[str, Any]] = (
    {"role": "system", "content": "s"},
    {"role": "user", "content": "What is the weather in Lima?", "images": []},
    {
        "role": "assistant",
        "content": "",
        "thinking": "t",
        "tool_calls": [
            {"id": "c", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "L"}}}
        ],
    },
    {"role": "tool", "content": "sunny", "tool_name": "get_weather", "tool_call_id": "c"},
    {"role": "user", "content": "Hello"},
)
_INFERENCE: Mapping[str, Any] = {
    "stream": True,
    "format": _SCHEMA,
    "options": _OPTIONS,
    "keep_alive": "5m",
    "truncate": True,
    "shift": True,
    "logprobs": True,
    "top_logprobs": 2,
    "_debug_render_only": False,
}
_PLAIN: Mapping[str, Any] = {"stream": False, "options": {"num_predict": 2}}


def _v1(path: str) -> list[Any]:
    body = GOOD[path]
    model = "mini-embed" if path == "/v1/embeddings" else "mini"
    return [{**body, "model": name} for name in (model, "mini-think", "nope")]


SEEDS: Mapping[tuple[str, str], Sequence[Any]] = {
    ("GET", "/"): [None],
    ("GET", "/api/version"): [None],
    ("GET", "/api/tags"): [None],
    ("GET", "/api/ps"): [None],
    ("GET", "/api/status"): [None],
    ("POST", "/api/chat"): [
        {"model": "mini", "messages": _MESSAGES, "tools": [_TOOL], **_INFERENCE},
        {"model": "mini-think", "messages": _MESSAGES[-1:], "think": True, **_PLAIN},
        {"model": "fuzz-go", "messages": _MESSAGES, "tools": [_TOOL], "think": True, **_PLAIN},
        {"model": "mini", "messages": [], "keep_alive": 0},
    ],
    ("POST", "/api/generate"): [
        {"model": "mini", "prompt": "Hello", "system": "s", "suffix": "", **_INFERENCE},
        {"model": "mini", "prompt": "Hello", "raw": True, "images": ["aGk="], **_PLAIN},
        {"model": "fuzz-go", "prompt": "Hello", "suffix": "there", "context": [1, 2, 3], **_PLAIN},
        {"model": "mini", "prompt": "Hi", "template": "{{ .System }}{{ .Prompt }}", **_PLAIN},
        {"model": "mini-think", "prompt": "", "keep_alive": "1s"},
    ],
    ("POST", "/api/embed"): [
        {
            "model": "mini-embed",
            "input": ["a", "b c"],
            "truncate": True,
            "dimensions": 8,
            "keep_alive": -1,
            "options": _OPTIONS,
        },
    ],
    ("POST", "/api/embeddings"): [
        {"model": "mini-embed", "prompt": "Hello", "keep_alive": "1s", "options": _OPTIONS}
    ],
    ("POST", "/api/show"): [
        {"model": "fuzz-go", "verbose": True, "system": "s", "options": {"a": [1, "b", None]}},
        {"name": "mini-embed", "template": "t"},
    ],
    ("POST", "/api/create"): [
        {
            "model": "fuzz-made",
            "from": "mini",
            "template": "{{ .Prompt }}",
            "system": "s",
            "license": ["l"],
            "parameters": {"stop": ["x"], "num_predict": 2},
            "messages": [{"role": "user", "content": "a"}],
            "renderer": "",
            "parser": "",
            "requires": "0.1.0",
            "info": {"capabilities": ["completion"], "context_length": 5, "base_name": "b"},
            "adapters": {},
            "quantize": "",
            "stream": True,
        },
        {"model": "fuzz-made", "files": {"a.gguf": DIGEST}, "stream": False},
        {"model": "fuzz-made", "from": "mini", "draft_files": {"a": DIGEST}, "draft_quantize": "x"},
    ],
    ("POST", "/api/copy"): [{"source": "mini", "destination": "fuzz-copy"}],
    ("DELETE", "/api/delete"): [{"model": "fuzz-copy"}, {"name": "fuzz-made:latest"}],
    ("POST", "/api/pull"): [{"model": "a//b", "insecure": True, "stream": False}],
    ("POST", "/api/push"): [{"model": "", "insecure": True, "stream": False}],
    ("HEAD", f"/api/blobs/{DIGEST}"): [None],
    ("POST", f"/api/blobs/{DIGEST}"): [None],
    ("POST", "/api/me"): [None],
    ("POST", "/api/signout"): [None],
    ("POST", "/api/experimental/web_search"): [{"query": "q", "max_results": 1}],
    ("POST", "/api/experimental/web_fetch"): [{"url": "ollama.com"}],
    ("GET", "/api/experimental/model-recommendations"): [None],
    ("GET", "/v1/models"): [None],
    ("GET", "/v1/models/mini"): [None],
    **{("POST", path): _v1(path) for path in GOOD},
}
"""Method and path, and bodies that fit; None is no body."""
