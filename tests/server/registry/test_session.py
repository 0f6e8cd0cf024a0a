"""How a registry lets one in, and where it may send one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.registry.messages import Answer, Lost, Request, StatusRefused, TransferFailed

from .script import LLAMA, answer, challenge, play, session
from .test_challenge import BEARER

MANIFEST = Request("GET", "/v2/flock/ewe/manifests/v1")
HERE = "GET https://reg.example/v2/flock/ewe/manifests/v1"
BASIC = f"Basic {base64.b64encode(b'llama:wool').decode()}"
GONE = Lost("EOF")


def test_the_default_registry_is_ollamas() -> None:
    """And it is only ever asked over TLS."""
    one = session("mini")
    played = play(one.ask(Request("GET", one.path("manifests/latest"))), [answer()])
    assert played.asked == ["GET https://registry.ollama.ai/v2/library/mini/manifests/latest"]
    assert played.requests[0].verify


def test_who_needs_no_proof_sends_none() -> None:
    """Credentials wait until they are asked for."""
    played = play(session(credentials=LLAMA).ask(MANIFEST), [answer()])
    assert played.asked == [HERE]
    assert played.proofs() == [None]


def test_basic_is_answered_with_name_and_password() -> None:
    """Once; they go along from then on."""
    one = session(credentials=LLAMA)
    played = play(one.ask(MANIFEST), [challenge('Basic realm="x"'), answer()])
    assert played.proofs() == [None, BASIC]
    assert play(one.ask(MANIFEST), [answer()]).proofs() == [BASIC]


def test_bearer_is_answered_with_a_token() -> None:
    """The password goes to the token's place only, the token to the registry."""
    one = session(credentials=LLAMA)
    played = play(one.ask(MANIFEST), [challenge(BEARER), answer(body=b'{"token": "t"}'), answer()])
    assert played.asked == [
        HERE,
        "GET https://reg.example/token?scope=repository%3Aa%2Fb%3Apull&service=reg",
        HERE,
    ]
    assert played.proofs() == [None, BASIC, "Bearer t"]


def test_anybody_gets_a_token_too() -> None:
    """Without credentials it is asked for without proof."""
    played = play(
        session().ask(MANIFEST), [challenge(BEARER), answer(body=b'{"token": "t"}'), answer()]
    )
    assert played.proofs() == [None, None, "Bearer t"]


def test_a_token_that_has_expired_is_renewed() -> None:
    """Each request may meet one 401."""
    one = session()
    first = [challenge(BEARER), answer(body=b'{"token": "old"}'), answer()]
    assert play(one.ask(MANIFEST), first).error is None
    again = [challenge(BEARER), answer(body=b'{"token": "new"}'), answer()]
    assert play(one.ask(MANIFEST), again).proofs() == ["Bearer old", None, "Bearer new"]


def test_a_token_another_request_got_is_used() -> None:
    """Sixteen parts that meet a 401 at once need one token, not sixteen."""
    one = session()
    waiting = one.ask(MANIFEST)
    assert dict(next(waiting).headers).get("Authorization") is None
    play(one.ask(MANIFEST), [challenge(BEARER), answer(body=b'{"token": "t"}'), answer()])
    assert dict(waiting.send(challenge(BEARER)).headers)["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "answers",
    [
        [challenge("")],
        [challenge('Basic realm="x"')],
        [challenge('Digest realm="x"')],
        [challenge(BEARER), answer(401)],
        [challenge(BEARER), answer(403)],
        [challenge(BEARER), answer(body=b'{"token": "t"}'), challenge(BEARER)],
    ],
)
def test_who_is_not_let_in_is_told_so(answers: list[Answer]) -> None:
    """In Ollama's words, which its command explains to users."""
    played = play(session().ask(MANIFEST), answers)
    assert str(played.error) == "unauthorized: access denied"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer(404), "file does not exist"),
        (answer(412, b'{"errors":[]}\n'), '412: {"errors":[]}'),
        (answer(500), "500: "),
        (answer(500, b"x" * 10_000), "500: " + "x" * 4096),
    ],
)
def test_an_error_is_told_as_ollama_does(given: Answer, text: str) -> None:
    """Its status and what the registry says, which may be a long page."""
    played = play(session().ask(MANIFEST), [given])
    assert isinstance(played.error, StatusRefused)
    assert str(played.error) == text


def test_redirects_elsewhere_take_no_proof_along() -> None:
    """Neither the token nor the password leaves the registry's origin; back there it is sent."""
    one = session(credentials=LLAMA)
    play(one.ask(MANIFEST), [challenge('Basic realm="x"'), answer()])
    played = play(
        one.ask(MANIFEST),
        [
            answer(307, location="https://store.example/blob?sig=1"),
            answer(302, location="https://reg.example:443/other"),
            answer(301, location="/v3"),
            answer(),
        ],
    )
    assert played.asked == [
        HERE,
        "GET https://store.example/blob?sig=1",
        "GET https://reg.example:443/other",
        "GET https://reg.example:443/v3",
    ]
    assert played.proofs() == [BASIC, None, BASIC, BASIC]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://reg.example:444/x",
        "https://reg.example.evil.example/x",
        "https://user@reg.example/x",
        "//other.example/x",
    ],
)
def test_what_looks_like_the_registry_is_not(elsewhere: str) -> None:
    """Another port or name is another origin."""
    one = session(credentials=LLAMA)
    play(one.ask(MANIFEST), [challenge('Basic realm="x"'), answer()])
    played = play(one.ask(MANIFEST), [answer(307, location=elsewhere), answer()])
    assert played.proofs() == [BASIC, None]


def test_a_401_from_elsewhere_is_not_answered() -> None:
    """A storage that wants a password does not get the registry's."""
    played = play(
        session(credentials=LLAMA).ask(MANIFEST),
        [answer(307, location="https://evil.example/x"), challenge('Basic realm="x"')],
    )
    assert played.proofs() == [None, None]
    assert isinstance(played.error, StatusRefused)


def test_a_200_may_say_that_the_blob_is_elsewhere() -> None:
    """Ollama's registry does so."""
    played = play(
        session().ask(MANIFEST), [answer(200, location="https://store.example/x"), answer()]
    )
    assert len(played.requests) == 2


def test_redirects_come_to_an_end() -> None:
    """A circle is told."""
    circle = [answer(307, location="/v2/flock/ewe/manifests/v1")] * 10
    played = play(session().ask(MANIFEST), circle)
    assert str(played.error) == "stopped after 10 redirects"


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("http://store.example/x", "redirect out of TLS to store.example refused"),
        ("file:///etc/passwd", "redirect to something that is no HTTP URL"),
        ("https://[x", "redirect to something that is no HTTP URL: Invalid IPv6 URL"),
    ],
)
def test_redirects_lead_nowhere_bad(location: str, text: str) -> None:
    """Out of TLS, or to what is no URL."""
    played = play(session().ask(MANIFEST), [answer(307, location=location)])
    assert str(played.error) == text
    assert isinstance(played.error, TransferFailed)


@given(
    st.text(max_size=100) | st.text(alphabet="htps:/[]@.x?#%", max_size=40),
    st.sampled_from([200, 302, 307]),
)
def test_any_location_can_be_read(location: str, status: int) -> None:
    """It is followed, or told; nothing else is raised, and no proof goes elsewhere."""
    one = session(credentials=LLAMA)
    play(one.ask(MANIFEST), [challenge("Basic"), answer()])
    asking = one.followed(MANIFEST)
    next(asking)
    try:
        request = asking.send(answer(status, location=location))
    except (StopIteration, TransferFailed):
        return
    assert one.is_ours(request.url) is ("Authorization" in dict(request.headers))


def test_a_registry_that_takes_itself_for_plain_is_kept_in_tls() -> None:
    """Behind a proxy that ends TLS it does not know better."""
    played = play(
        session().ask(MANIFEST), [answer(307, location="http://reg.example:5000/x?a=1"), answer()]
    )
    assert played.asked[1] == "GET https://reg.example/x?a=1"


class TestInsecure:
    """Plain HTTP first, as Ollama; TLS that proves nothing where that is what is spoken."""

    PLAIN = HERE.replace("https", "http")

    def test_plain_http_is_asked(self) -> None:
        """And nothing else, once it has answered."""
        one = session(insecure=True)
        assert play(one.ask(MANIFEST), [answer(500)]).asked == [self.PLAIN]
        lost = play(one.ask(MANIFEST), [GONE])
        assert lost.asked == [self.PLAIN]
        assert lost.error is GONE

    @pytest.mark.parametrize("first", [answer(400), GONE])
    def test_a_registry_that_speaks_tls_is_found(self, first: Answer | Lost) -> None:
        """Whose answer to plain HTTP is a 400, or none at all; later requests know."""
        one = session(insecure=True)
        played = play(one.ask(MANIFEST), [first, answer()])
        assert played.asked == [self.PLAIN, HERE]
        assert not played.requests[1].verify
        assert play(one.ask(MANIFEST), [answer()]).asked == [HERE]

    def test_a_registry_that_is_not_there_is_told_as_plain(self) -> None:
        """The first failure is the one to tell, as Ollama does."""
        played = play(session(insecure=True).ask(MANIFEST), [GONE, Lost("tls")])
        assert played.error is GONE

    def test_a_400_over_plain_http_may_be_meant(self) -> None:
        """If there is no TLS it is the answer."""
        played = play(session(insecure=True).ask(MANIFEST), [answer(400, b"no"), Lost("tls")])
        assert str(played.error) == "400: no"
