"""What a push asks, step by step."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from arriero.server.registry.messages import FilePart, Request, StatusRefused
from arriero.server.registry.pushing import (
    Place,
    begin_upload,
    checksum_of,
    finish_upload,
    has_blob,
    look_up,
    put_manifest,
    send_piece,
)
from arriero.server.store import Layer

from .script import LLAMA, answer, challenge, play, session

DIGEST = f"sha256:{'a' * 64}"
LAYER = Layer("model", DIGEST, 300)
UPLOADS = "https://reg.example/v2/flock/ewe/blobs/uploads/"
PLACE = Place(f"{UPLOADS}1?_state=s", 100)
PIECE = FilePart(Path("blob"), 100, 200)


def test_a_blob_is_looked_for_first() -> None:
    """404 is an answer, everything else above 400 an error."""
    assert play(has_blob(session(), DIGEST), [answer(200)]).result is True
    assert play(has_blob(session(), DIGEST), [answer(404)]).result is False
    assert isinstance(play(has_blob(session(), DIGEST), [answer(500)]).error, StatusRefused)


def test_an_upload_begins_where_the_registry_says() -> None:
    """Relative or whole, in either header."""
    played = play(begin_upload(session(), LAYER), [answer(202, location="/v2/flock/up/1?s=2")])
    assert played.asked == [f"POST {UPLOADS}"]
    assert played.result == Place("https://reg.example/v2/flock/up/1?s=2", 0)
    other = answer(202, location="/a", docker_upload_location="https://reg.example/b")
    assert play(begin_upload(session(), LAYER), [other]).result.url == "https://reg.example/b"


def test_a_blob_may_be_taken_over_from_its_parent() -> None:
    """Then there is nothing to send."""
    made = Layer("model", DIGEST, 300, parent="flock/ram:v2")
    played = play(begin_upload(session(), made), [answer(201)])
    assert played.result is None
    mount = f"?from=flock%2Fram&mount=sha256%3A{'a' * 64}"
    assert played.asked == [f"POST {UPLOADS}{mount}"]


def test_a_parent_that_is_no_name_is_left_out() -> None:
    """It is only a hint."""
    made = Layer("model", DIGEST, 300, parent="no//name")
    assert play(begin_upload(session(), made), [answer(201)]).asked == [f"POST {UPLOADS}"]


def test_an_upload_without_a_place_is_told() -> None:
    """There is nowhere to send to."""
    error = play(begin_upload(session(), LAYER), [answer(202)]).error
    assert str(error) == "the registry does not say where the upload goes on"


def test_a_piece_says_where_it_belongs() -> None:
    """Without the word bytes, as Ollama; the next place comes with the answer."""
    played = play(
        send_piece(session(), PLACE, PIECE), [answer(202, location=f"{UPLOADS}1?_state=t")]
    )
    headers = dict(played.requests[0].headers)
    assert played.asked == [f"PATCH {PLACE.url}"]
    assert headers["Content-Range"] == "100-299"
    assert played.requests[0].body == PIECE
    assert played.result == Place(f"{UPLOADS}1?_state=t", 300)


def test_a_piece_may_go_to_storage() -> None:
    """Without the token: the storage is another origin."""
    one = session(credentials=LLAMA)
    play(one.ask(Request("GET", "/")), [challenge("Basic"), answer()])
    elsewhere = answer(
        307, location="https://store.example/part?sig=1", docker_upload_location=f"{UPLOADS}2"
    )
    played = play(send_piece(one, PLACE, PIECE), [elsewhere, answer(200)])
    assert played.asked == [f"PATCH {PLACE.url}", "PUT https://store.example/part?sig=1"]
    assert played.requests[1].body == PIECE
    assert played.proofs()[0] is not None
    assert played.proofs()[1] is None
    assert played.result == Place(f"{UPLOADS}2", 300)


def test_storage_that_refuses_is_told() -> None:
    """As an error of the push."""
    elsewhere = answer(307, location="https://store.example/part")
    played = play(send_piece(session(), PLACE, PIECE), [elsewhere, answer(403, b"expired")])
    assert str(played.error) == "403: expired"


def test_an_upload_that_moves_to_another_host_takes_no_proof_along() -> None:
    """A place the registry names is no reason to send it the password."""
    one = session(credentials=LLAMA)
    play(one.ask(Request("GET", "/")), [challenge("Basic"), answer()])
    played = play(
        send_piece(one, Place("https://evil.example/up", 0), PIECE),
        [answer(202, location="/next")],
    )
    assert played.proofs() == [None]


def test_a_refused_piece_is_told_as_ollama_does() -> None:
    """With the status in words."""
    played = play(send_piece(session(), PLACE, PIECE), [answer(416, b"range")])
    assert isinstance(played.error, StatusRefused)
    assert (played.error.status, str(played.error)) == (416, "http status 416: range")


@pytest.mark.parametrize(
    ("header", "received"), [("0-149", 150), ("bytes=0-149", 150), ("0-0", 0), ("", 0), ("x", 0)]
)
def test_the_registry_says_how_much_it_has(header: str, received: int) -> None:
    """So that what arrived before a cut is not sent again."""
    played = play(look_up(session(), PLACE), [answer(204, range=header)])
    assert played.asked == [f"GET {PLACE.url}"]
    assert played.result == Place(PLACE.url, received)


def test_the_last_step_names_the_digest() -> None:
    """What the place has of its own stays."""
    played = play(finish_upload(session(), PLACE, DIGEST, "5-2"), [answer(201)])
    assert played.asked == [f"PUT {UPLOADS}1?_state=s&digest=sha256%3A{'a' * 64}&etag=5-2"]
    assert (played.requests[0].patience_s or 0) > 60, "a registry may read it all again"


def test_a_registry_that_got_something_else_is_told() -> None:
    """Its own words."""
    played = play(finish_upload(session(), PLACE, DIGEST, ""), [answer(400, b"DIGEST_INVALID")])
    assert str(played.error) == "http status 400: DIGEST_INVALID"


def test_checksums_are_summed_up_as_object_stores_do() -> None:
    """MD5 of the MD5s, and how many."""
    parts = [hashlib.md5(one).digest() for one in (b"a", b"b")]
    assert checksum_of(parts) == f"{hashlib.md5(b''.join(parts)).hexdigest()}-2"
    assert checksum_of([]) == ""


def test_the_manifest_goes_as_it_is() -> None:
    """Its digest is what others pin."""
    played = play(put_manifest(session(), b"{ }\n"), [answer(201)])
    assert played.asked == ["PUT https://reg.example/v2/flock/ewe/manifests/v1"]
    assert played.requests[0].body == b"{ }\n"
