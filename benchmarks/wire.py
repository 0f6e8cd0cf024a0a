"""What server and clients of the benchmarks agree on: model names, requests, prepared bytes.

A model's name says what the server is to do: ``paced-3000-200`` streams 200 parts, one
write each, 3000 microseconds apart and at the same moment in all such streams;
``together-2000`` writes as many parts at a time as fit into 64 KiB; any other name gets one
small answer.
"""

from __future__ import annotations

import json
from functools import lru_cache

VECTORS = 256
DIMENSIONS = 768
TEXTS = [f"the {number}th mule carries water" for number in range(VECTORS)]
MESSAGES = [{"role": "user", "content": "Why is the sky blue? Answer in one sentence."}]
BLOCK_BYTES = 65_536

_WHEN = "2026-01-02T03:04:05.123456789Z"
_WORDS = (" sky", " blue", " light", " air", " scatter", "s", " more", " than")


def paced(interval_us: int, parts: int) -> str:
    """Name the model that gives `parts` parts, one write each."""
    return f"paced-{interval_us}-{parts}"


def together(parts: int) -> str:
    """Name the model that gives `parts` parts, many to a write."""
    return f"together-{parts}"


def parts_of(model: str) -> int:
    """Give the number of parts that `model` gives."""
    return int(model.rpartition("-")[2])


def interval_s_of(model: str) -> float:
    """Give the seconds between two writes of a paced model."""
    return int(model.split("-")[1]) / 1e6


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _chunk(line: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(line), line)


_END = b"0\r\n\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Date: Fri, 02 Jan 2026 03:04:05 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _part(index: int) -> bytes:
    message = {"role": "assistant", "content": _WORDS[index % len(_WORDS)]}
    return _line({"model": "bench", "created_at": _WHEN, "message": message, "done": False})


def _progress(index: int) -> bytes:
    digest = f"sha256:{'5a' * 32}"
    total = 1 << 30
    step = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
    return _line({**step, "completed": index * 1024 % total})


_METRICS = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_191_566_416,
    "load_duration": 2_154_458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383_809_000,
    "eval_count": 298,
    "eval_duration": 4_799_921_000,
}


def _last_part() -> bytes:
    message = {"role": "assistant", "content": ""}
    return _line({"model": "bench", "created_at": _WHEN, "message": message, **_METRICS})


def pieces(path: str, count: int, *, are_joined: bool) -> list[bytes]:
    """Give the body of a stream of `count` parts as what is written at once."""
    make, last = (_part, _last_part()) if path == "/api/chat" else (_progress, _SUCCESS)
    end = _chunk(last) + _END
    if not are_joined:
        lines = [_chunk(make(index)) for index in range(len(_WORDS))]
        return [*(lines[index % len(lines)] for index in range(count - 1)), end]
    per_block = BLOCK_BYTES // len(_chunk(make(0)))
    block = b"".join(_chunk(make(index)) for index in range(per_block))
    whole, rest = divmod(count - 1, per_block)
    tail = b"".join(_chunk(make(index)) for index in range(rest))
    return [*([block] * whole), tail + end]


_SUCCESS = _line({"status": "success"})


def _answer(value: object) -> bytes:
    body = _line(value)[:-1]
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Date: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@lru_cache
def whole(path: str) -> bytes:
    """Give the prepared answer of a call without stream."""
    if path == "/api/embed":
        return _answer({"model": "bench", "embeddings": _vectors(), "total_duration": 14_143_917})
    if path == "/v1/embeddings":
        return _answer({"object": "list", "data": _encoded_vectors(), "model": "bench"})
    content = "Because air scatters blue light more than red."
    message = {"role": "assistant", "content": content}
    return _answer({"model": "bench", "created_at": _WHEN, "message": message, **_METRICS})


def _vectors() -> list[list[float]]:
    # Go prints a float32 in the fewest digits that give it back; eight are typical.
    import random

    source = random.Random(1)
    return [
        [float(f"{source.uniform(-0.1, 0.1):.8g}") for _ in range(DIMENSIONS)]
        for _ in range(VECTORS)
    ]


def _encoded_vectors() -> list[dict[str, object]]:
    import base64
    import struct

    return [
        {
            "object": "embedding",
            "embedding": base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode(),
            "index": index,
        }
        for index, vector in enumerate(_vectors())
    ]
