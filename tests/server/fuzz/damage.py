"""Requests with something wrong, or not: a seed, some of its values replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from .seeds import SEEDS

_Path: TypeAlias = tuple[str | int, ...]

MOST_TOKENS = 8
"""No answer is longer: what is looked for is not in its tail."""

NASTY_TEXTS = (
    "", " ", "\0", "\ud800", "\u2028", "../../etc/passwd", "..", "/", "a//b", "a" * 300, "%00",
    "mini:latest", "MINI", "mini:", ":mini", "nope:cloud", "mini-cloud", "x:cloud:local",
    "{{ .Prompt", "{{ range .Messages }}{{ end }}", "{{ printf \"%99999999d\" 1 }}", "<think>",
    "<|im_start|>", "sha256:" + "0" * 64, "sha256-" + "f" * 64, "sha256:../../x", "json", "high",
    "-1", "0", "1d", "5m", "data:image/png;base64,AAAA", "aGk=", "é", "日本語", "🦙" * 20,
    "Q4_K_M", "null", "{}", "user", "tool", "system",
)  # fmt: skip
NASTY_NUMBERS = (
    0, 1, -1, 2, 5, 20, 21, 127, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 10**400, 0.5,
    -0.0, 1e-300, 1e300, 5.9,
)  # fmt: skip

_LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from(NASTY_NUMBERS)
    | st.sampled_from(NASTY_TEXTS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("type", "role", "content", "function", "model", "", "x"))
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
"""What takes the place of a value."""

_BROKEN_BODIES = (
    b"", b" ", b"{", b"{}", b"[]", b"null", b'"x"', b"{bad", b"\xff\xfe", b"\x1f\x8b\x08\x00",
    b"[" * 5000, b'{"a":' * 5000, b'{"model":"mini"} trailing', b'{"MODEL":"mini"}',
    b'{"model":"\\ud800"}', b'{"model":"mini","model":"nope"}', b"1e999", b"-", b"0x10",
)  # fmt: skip
_HEADERS = (
    {}, {"Host": "evil.example"}, {"Host": ""}, {"Host": "[::1"}, {"Host": "127.0.0.1:99999999"},
    {"Origin": "null"}, {"Origin": "http://localhost:3000"}, {"Origin": "http://evil.example"},
    {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "zstd"},
    {"Expect": "100-continue"}, {"User-Agent": "GitHubCopilotChat/1"}, {"Accept-Encoding": "br"},
)  # fmt: skip
_SUFFIXES = ("", "/", "//", "?x=%ff", "/..", "/%2e%2e/%2e%2e", "%00", "/%ff")


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request, mostly to a route there is, mostly with up to four values replaced."""
    method, path = draw(st.sampled_from(sorted(SEEDS)))
    seed = draw(st.sampled_from(SEEDS[method, path]))
    headers = dict(draw(st.sampled_from(_HEADERS))) if draw(_rarely()) else {}
    if draw(_rarely()):
        method = draw(st.sampled_from(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "X")))
    if draw(_rarely()):
        path += draw(st.sampled_from(_SUFFIXES))
    if draw(_rarely()):
        return Request(method, path, draw(st.sampled_from(_BROKEN_BODIES) | st.binary()), headers)
    if seed is None:
        return Request(method, path, draw(st.none() | st.binary(max_size=50)), headers)
    body = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(0, 4))):
        body = _damaged(draw, body)
    data = json.dumps(_tamed(body)).encode()
    if draw(_rarely()):
        data = data[: draw(st.integers(0, len(data)))]
    return Request(method, path, data, headers)


def _rarely() -> st.SearchStrategy[bool]:
    return st.integers(0, 9).map(lambda number: number == 9)


def _damaged(draw: st.DrawFn, body: Any) -> Any:
    """Replace, drop, rename or double one value somewhere."""
    places = list(_places(body))
    place = draw(st.sampled_from(places))
    if not place:
        return draw(VALUES) if draw(_rarely()) else body
    parent = body
    for step in place[:-1]:
        parent = parent[step]
    last = place[-1]
    action = draw(st.sampled_from(("replace", "replace", "replace", "drop", "case", "double")))
    if action == "replace":
        parent[last] = draw(VALUES)
    elif action == "drop":
        del parent[last]
    elif action == "case" and isinstance(last, str):
        parent[last.upper()] = parent.pop(last)
    elif isinstance(parent, list):
        parent.append(parent[last])
    return body


def _places(value: Any, place: _Path = ()) -> Iterator[_Path]:
    yield place
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*place, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _places(item, (*place, at))


def _tamed(body: Any) -> Any:
    """Bound the length of the answer, wherever the body would let it be long."""
    if not isinstance(body, dict):
        return body
    for key in ("max_tokens", "max_output_tokens"):
        if _is_long(body.get(key, MOST_TOKENS)):
            body[key] = MOST_TOKENS
    options = body.setdefault("options", {})
    if isinstance(options, dict) and _is_long(options.get("num_predict", -1)):
        options["num_predict"] = MOST_TOKENS
    return body


def _is_long(value: Any) -> bool:
    return isinstance(value, (int, float)) and not 1 <= value <= MOST_TOKENS
