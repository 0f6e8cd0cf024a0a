"""Lines into records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arriero._core.ndjson import NdjsonDecoder, RecordDecoder
from arriero.errors import ProtocolError, StreamFailed
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.raw import RawRecord
from arriero.types.record import to_wire

DEEP = b'{"message":{"tool_calls":[{"function":{"arguments":{"a":' + b"[" * 20_000
"""Too deep inside a field that is known and takes anything."""

Outcome = tuple[list[Any], type[Exception] | None]

CASES: dict[str, bytes] = {
    "empty": b"",
    "one": b'{"response":"a"}\n',
    "two": b'{"response":"a"}\n{"response":"b","done":true}\n',
    "no last line feed": b'{"response":"a"}\n{"response":"b","done":true}',
    "blank lines": b'\n\n{"response":"a"}\n \n\t\r\n{"response":"b"}\n\n',
    "crlf": b'{"response":"a"}\r\n{"response":"b"}\r\n',
    "next line": '{"response":"a\x85b"}\n{"response":"\u2028"}\n'.encode(),
    "unknown fields": b'{"response":"a","new":{"deep":[1,null]}}\n{"response":"b"}\n',
    "error": b'{"response":"a"}\n{"error":"broke"}\n{"response":"never"}\n',
    "error first": b'{"error":"broke"}\n',
    "cut": b'{"response":"a"}\n{"resp',
    "no object": b'{"response":"a"}\n[1]\n',
    "wrong type": b'{"response":5}\n',
    "over two lines": b'{"response":\n"a"}\n',
    "two on a line": b'{"response":"a"}{"response":"b"}\n',
    "html": b"<html>\n<p>Bad gateway</p>\n</html>\n",
    "not utf-8": b'{"response":"a","new":"\xff"}\n',
    "too deep": b'{"new":' + b"[" * 20_000 + b"\n",
}


def decoded(pieces: list[bytes], *, max_line_bytes: int = 1 << 20) -> Outcome:
    """Feed pieces until something breaks, and give all records and what broke."""
    decoder = NdjsonDecoder(RecordDecoder(GenerateResponse), max_line_bytes=max_line_bytes)
    records: list[Any] = []
    for piece in pieces:
        records += decoder.feed(piece)
        if decoder.failure is not None:
            break
    else:
        records += decoder.end()
    return to_wire(records), type(decoder.failure) if decoder.failure else None


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("empty", ([], None)),
        ("one", ([{"response": "a"}], None)),
        ("two", ([{"response": "a"}, {"response": "b", "done": True}], None)),
        ("no last line feed", ([{"response": "a"}, {"response": "b", "done": True}], None)),
        ("blank lines", ([{"response": "a"}, {"response": "b"}], None)),
        ("crlf", ([{"response": "a"}, {"response": "b"}], None)),
        ("next line", ([{"response": "a\x85b"}, {"response": "\u2028"}], None)),
        (
            "unknown fields",
            ([{"response": "a", "new": {"deep": [1, None]}}, {"response": "b"}], None),
        ),
        ("error", ([{"response": "a"}], StreamFailed)),
        ("error first", ([], StreamFailed)),
        ("cut", ([{"response": "a"}], ProtocolError)),
        ("no object", ([{"response": "a"}], ProtocolError)),
        ("wrong type", ([], ProtocolError)),
        ("over two lines", ([], ProtocolError)),
        ("two on a line", ([], ProtocolError)),
        ("html", ([], ProtocolError)),
        ("not utf-8", ([{"response": "a", "new": "\ufffd"}], None)),
        ("too deep", ([], ProtocolError)),
    ],
)
def test_a_line_is_a_record(name: str, outcome: Outcome) -> None:
    """Each line gives one record; what came before a broken line is given out."""
    assert decoded([CASES[name]]) == outcome


def test_every_case_is_in_the_table() -> None:
    """No case is left out of the tests that cut the bytes."""
    assert len(CASES) == 18


SHORT = [name for name, data in CASES.items() if len(data) < 100]


@pytest.mark.parametrize("name", SHORT)
def test_a_cut_at_any_pair_of_places_changes_nothing(name: str) -> None:
    """Three pieces give what the whole gives, wherever the cuts are."""
    data = CASES[name]
    whole = decoded([data])

    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            pieces = [data[:first], data[first:second], data[second:]]
            assert decoded(pieces) == whole, pieces


@pytest.mark.parametrize("name", CASES)
def test_byte_by_byte_changes_nothing(name: str) -> None:
    """Single bytes give what the whole gives."""
    data = CASES[name]

    assert decoded([data[place : place + 1] for place in range(len(data))]) == decoded([data])


@pytest.mark.parametrize("name", SHORT)
def test_the_limit_changes_nothing_below_it(name: str) -> None:
    """Data longer than the longest allowed line is decoded all the same, line by line."""
    data = CASES[name]
    longest = max(len(line) for line in data.split(b"\n"))

    assert decoded([data], max_line_bytes=max(longest, 1)) == decoded([data])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=4).filter(lambda name: name != "error"), json_values)
line_ends = st.sampled_from(["\n", "\r\n", "\n\n", " \n"])


@given(st.lists(st.tuples(objects, line_ends)), st.data())
@example([({"a": "\x85\u2028"}, "\r\n")], None)
def test_any_cutting_gives_the_same_records(
    lines: list[tuple[dict[str, Any], str]], data: Any
) -> None:
    """Records do not depend on how the network cut the bytes."""
    text = "".join(json.dumps(made, ensure_ascii=False) + end for made, end in lines).encode()
    places = (
        sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
        if data is not None
        else range(len(text))
    )
    decoder = NdjsonDecoder(RecordDecoder(RawRecord))
    records: list[Any] = []
    for start, end in zip([0, *places], [*places, len(text)], strict=True):
        records += decoder.feed(text[start:end])
    records += decoder.end()

    assert decoder.failure is None
    assert to_wire(records) == [made for made, _ in lines]


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_raise_anything(data: bytes, place: int) -> None:
    """Whatever arrives gives records or a failure of ours, the same however it is cut."""
    assert decoded([data[:place], data[place:]]) == decoded([data])


def test_a_line_too_long_is_refused_before_it_ends() -> None:
    """A line beyond the limit fails as soon as it is seen; earlier records are given out."""
    decoder = NdjsonDecoder(RecordDecoder(GenerateResponse), max_line_bytes=20)

    assert len(decoder.feed(b'{"response":"a"}\n')) == 1
    assert decoder.feed(b'{"response":"a"}\n' + b"x" * 21)[0].response == "a"
    assert isinstance(decoder.failure, ProtocolError)
    assert "max_line_bytes=20" in str(decoder.failure)
    assert decoder.held_bytes == 0


def test_an_error_stops_a_block_above_the_limit() -> None:
    """Nothing after an error line is decoded, in the careful path too."""
    decoder = NdjsonDecoder(RecordDecoder(GenerateResponse), max_line_bytes=20)

    assert decoder.feed(b'{"error":"x"}\n{"response":"a"}\n') == []
    assert isinstance(decoder.failure, StreamFailed)


def test_held_bytes_counts_the_unfinished_line() -> None:
    """What waits for its line feed can be told."""
    decoder = NdjsonDecoder(RecordDecoder(GenerateResponse))
    decoder.feed(b'{"response":"a"}\n{"re')

    assert decoder.held_bytes == 4


def test_nothing_comes_after_a_failure() -> None:
    """The end of a broken stream adds no second failure."""
    decoder = NdjsonDecoder(RecordDecoder(GenerateResponse))
    decoder.feed(b"oops\n{")
    failure = decoder.failure

    assert decoder.end() == []
    assert decoder.failure is failure


@pytest.mark.parametrize(
    "data",
    [
        b'{"message":"text"}',
        b'{"message":["text"]}',
        b'{"message":{"tool_calls":"text"}}',
        b'{"message":{"tool_calls":[5]}}',
        b'{"message":{"tool_calls":[{"function":{"arguments":"{}"}}]}}',
        b'{"message":{"tool_calls":[{"id":"1"}]}}',
        b'{"message":{},"eval_count":"5","new":1}',
        b"{}",
        b"null",
        b'{"message":{"new":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b"\xff" + b'{"new":' + b"[" * 20_000,
        DEEP,
    ],
)
def test_a_wrong_type_is_refused_at_every_depth(data: bytes) -> None:
    """A known field of a wrong type is an error, not an object that fails later."""
    with pytest.raises(ProtocolError):
        RecordDecoder(ChatResponse).decode(data)


def test_a_line_too_deep_ends_a_stream() -> None:
    """However deep a line is nested, the failure is ours."""
    decoder = NdjsonDecoder(RecordDecoder(ChatResponse))

    assert decoder.feed(b'{"message":{}}\n' + DEEP + b"\n") == [ChatResponse(message={})]
    assert isinstance(decoder.failure, ProtocolError)


def test_a_broken_line_is_shown_cut() -> None:
    """The message shows the start of the line only."""
    with pytest.raises(ProtocolError) as caught:
        RecordDecoder(ChatResponse).decode(b"x" * 5000)

    assert 200 < len(str(caught.value)) < 400


def test_an_empty_error_is_none() -> None:
    """A record may name a field ``error`` and leave it empty."""
    assert RecordDecoder(GenerateResponse).decode(b'{"response":"a","error":""}')["error"] == ""
