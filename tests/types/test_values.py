"""What single fields hold: times, sizes, images, answers by kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arriero._core.ndjson import RecordDecoder
from arriero.errors import ProtocolError
from arriero.types.chat import ChatResponse, GenerateResponse, Message
from arriero.types.image import Image
from arriero.types.models import ByteSize, ListResponse, ProcessResponse, ShowResponse
from arriero.types.raw import RawResponse
from arriero.types.record import to_wire
from arriero.types.service import (
    SystemOneChoiceAnswer,
    SystemOneNoulAnswer,
    SystemOneResponse,
    SystemOneScoreAnswer,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        (
            "2318-06-09T01:02:03.123456789+02:00",
            datetime(2318, 6, 9, 1, 2, 3, 123457, timezone(timedelta(hours=2))),
        ),
        ("2026-01-02T03:04:05.1Z", datetime(2026, 1, 2, 3, 4, 5, 100_000, UTC)),
        (
            "2026-01-02T03:04:05-07:30",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(-timedelta(hours=7, minutes=30))),
        ),
    ],
)
@pytest.mark.parametrize("extra", ["", ',"new":1'])
def test_times_of_go_are_read(text: str, moment: datetime, extra: str) -> None:
    """Year 1, nine digits, any zone, far future; beside unknown fields too."""
    data = f'{{"models":[{{"modified_at":"{text}"{extra}}}]}}'.encode()
    made = RecordDecoder(ListResponse).decode(data)

    assert made.models[0].modified_at == moment


def test_the_time_of_an_answer_stays_text() -> None:
    """As in the `ollama` package, whatever it says."""
    made = RecordDecoder(GenerateResponse).decode(b'{"created_at":"0001-01-01T00:00:00Z"}')

    assert made.created_at == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0B", "0B"),
        (999, "999B", "999B"),
        (1023, "1023B", "1.0kB"),
        (1024, "1.0KiB", "1.0kB"),
        (2_400_000, "2.3MiB", "2.4MB"),
        (5 * 1024**3, "5.0GiB", "5.4GB"),
        (2**80, "1048576.0EiB", "1208925.8EB"),
        (-2048, "-2.0KiB", "-2.0kB"),
    ],
)
def test_a_size_says_itself(size: int, binary: str, decimal: str) -> None:
    """In powers of 1024, or of 1000 on request."""
    assert ByteSize(size).human_readable() == binary
    assert ByteSize(size).human_readable(decimal=True) == decimal


def test_a_size_is_a_number() -> None:
    """It counts, compares and may be kept apart from its unit."""
    assert ByteSize(2048) + 1 == 2049
    assert ByteSize(2048).human_readable(separator=" ") == "2.0 KiB"
    assert ByteSize(5).human_readable(separator=" ") == "5 B"


def test_sizes_of_models_are_sizes() -> None:
    """However a record is made; an absent size stays absent."""
    decoded = RecordDecoder(ProcessResponse).decode(b'{"models":[{"size":2048,"size_vram":0}]}')
    model = decoded.models[0]
    assert isinstance(model.size, ByteSize)
    assert isinstance(model.size_vram, ByteSize)
    built = ListResponse.Model(size=2048)
    assert isinstance(built.size, ByteSize)
    assert ListResponse.Model().size is None


def test_the_context_of_a_model_is_in_its_metadata() -> None:
    """Under a name that begins with the architecture."""
    info: dict[str, Any] = {"general.architecture": "llama", "llama.context_length": 4096}

    assert ShowResponse(model_info=info).context_length == 4096
    assert ShowResponse(model_info={"general.architecture": "llama"}).context_length is None
    assert ShowResponse().context_length is None
    assert ShowResponse().modelinfo == {}


def test_tokens_a_second_come_from_the_servers_numbers() -> None:
    """None where it gave none."""
    assert GenerateResponse(eval_count=10, eval_duration=2_000_000_000).tokens_per_s == 5.0
    assert GenerateResponse(eval_count=10).tokens_per_s is None
    assert GenerateResponse(eval_duration=1).tokens_per_s is None
    assert ChatResponse(message={}).parsed is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("aGVsbG8=" * 100, "Image(str)"),
        (b"secret", "Image(bytes)"),
        (Path("a.png"), f"Image({Path('a.png')!r})"),
    ],
)
def test_an_image_does_not_print_its_bytes(value: Any, shown: str) -> None:
    """Logs are not for pictures."""
    assert repr(Image(value=value)) == shown


@pytest.mark.parametrize(
    ("value", "sent"),
    [(b"hi", "aGk="), (bytearray(b"hi"), "aGk="), (Path("a.png"), "a.png"), ("aGk=", "aGk=")],
)
def test_an_image_dumps_as_what_is_sent(value: Any, sent: str) -> None:
    """Text, wherever it stands; a file is not read for it."""
    message = Message(role="user", images=[Image(value=value)])

    assert to_wire(message) == {"role": "user", "images": [sent]}
    assert message.model_dump(exclude_none=True)["images"] == [sent]


def test_an_image_may_hold_anything() -> None:
    """Checking is left to the call that sends it."""
    assert Image.model_validate({"value": 5, "new": 1}).value == 5


def test_a_raw_answer_is_read_as_you_like() -> None:
    """Bytes, text, JSON."""
    made = RawResponse(200, {}, b'{"a":"\xc3\xbc"}')

    assert made.text == '{"a":"ü"}'
    assert made.json() == {"a": "ü"}
    assert RawResponse(200, {}, b"\xff").text == "\ufffd"
    for body in (b"<html>", b""):
        with pytest.raises(ProtocolError, match="no JSON"):
            RawResponse(200, {}, body).json()


def test_a_raw_answer_too_deep_is_an_error_of_ours() -> None:
    """Whatever a server sends."""
    with pytest.raises(ProtocolError):
        RawResponse(200, {}, b"[" * 50_000).json()


def test_answers_of_system_one_have_their_kinds() -> None:
    """By their ``type``; a kind not known here stays a dict."""
    wire = {
        "model": "m",
        "answers": {
            "a": {"type": "noul", "noul": 0.5},
            "b": {"type": "choice", "choice": "x", "probabilities": {"x": 1.0}, "confidence": 1.0},
            "c": {
                "type": "score",
                "score": 1.5,
                "legend": {"0": "bad"},
                "probabilities": {"0": 1.0},
                "confidence": 0.1,
            },
            "d": {"type": "new", "x": 1},
            "e": "text",
        },
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    made = RecordDecoder(SystemOneResponse).decode(msgspec.json.encode(wire))

    assert [type(answer) for answer in made.answers.values()] == [
        SystemOneNoulAnswer,
        SystemOneChoiceAnswer,
        SystemOneScoreAnswer,
        dict,
        str,
    ]
    assert made.model_dump() == wire
