"""JSON as Go reads and writes it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server import gojson

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "missing request body"),
        (b" \n", "missing request body"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b'{"model":"x"', "unexpected EOF"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b'{"a":tru }', "invalid character ' ' in literal true (expecting 'e')"),
        (b'{"a":"\n"}', "invalid character '\\n' in string literal"),
        (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
        (b'{"a":"\\u12g4"}', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'{"a":-}', "invalid character '}' in numeric literal"),
        (b'{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        (b'{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        (b"\x1f\x8b", "invalid character '\\x1f' looking for beginning of value"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
    ],
)
def test_bad_json_is_refused_in_gos_words(body: bytes, message: str) -> None:
    """The texts are the ones Ollama's callers see."""
    with pytest.raises(gojson.JsonError) as caught:
        gojson.decode(body)
    assert str(caught.value) == message


@pytest.mark.parametrize("rest", [b' {"x":1}', b"}", b" trailing"])
def test_only_the_first_value_counts(rest: bytes) -> None:
    """What follows the first value is ignored."""
    assert gojson.decode(b'{"a":[1,{"b":null}]}' + rest) == {"a": [1, {"b": None}]}


def test_broken_text_is_replaced() -> None:
    """Invalid UTF-8 and lone surrogates become U+FFFD."""
    assert gojson.decode(b'{"a":"\xff","b":"\\ud800!"}') == {"a": "\ufffd", "b": "\ufffd!"}


def test_html_characters_leave_escaped() -> None:
    """Strings of Ollama never hold these characters raw."""
    assert gojson.encode({"a": "<b>&\u2028\u2029é"}) == (
        '{"a":"\\u003cb\\u003e\\u0026\\u2028\\u2029é"}'.encode()
    )


@given(_JSON)
def test_what_is_written_can_be_read(value: Any) -> None:
    """Writing and reading give the value back."""
    assert gojson.decode(gojson.encode(value)) == value


@given(_JSON, st.sampled_from(["", " ", "x", "}"]))
def test_the_slow_reader_agrees_with_the_fast_one(value: Any, rest: str) -> None:
    """Trailing bytes force the slow reader; it must find the same value."""
    body = json.dumps(value).encode() + b" " + rest.encode()
    assert gojson.decode(body) == value


@given(st.binary(max_size=40))
def test_any_bytes_give_a_value_or_a_refusal(body: bytes) -> None:
    """No body breaks the reader."""
    with suppress(gojson.JsonError):
        assert gojson.decode(gojson.encode(gojson.decode(body))) == gojson.decode(body)
