"""What is taken out of a server's words before they become an error."""

from __future__ import annotations

import pytest

from arriero._core.secrecy import cleaned, redacted, secrets_of
from arriero.errors import ParseError, StreamFailed

SECRET = "sk-0123456789"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"no {SECRET}!", "no [secret]!"),
        (f"{SECRET}{SECRET}", "[secret][secret]"),
        ("cut in sk-01234", "cut in [secret]"),
        ("cut in 'sk-0123'...", "cut in '[secret]'..."),
        ("sk-01234 is the beginning of another word", None),
        ("short sk-01", None),
    ],
)
def test_a_secret_is_found_whole_and_cut(text: str, left: str | None) -> None:
    """Texts are cut where they are shown; a beginning in the middle is another word."""
    assert redacted(text, [SECRET]) == (text if left is None else left)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (("authorization", f"Bearer {SECRET}"), SECRET),
        (("authorization", "Basic bWU6aHVudGVyMjI="), "hunter22"),
        (("cookie", f"a=b; session={SECRET}"), SECRET),
        (("x-api-key", 'a b/c "d'), "a%20b/c%20%22d"),
    ],
)
def test_a_secret_is_known_in_every_form(header: tuple[str, str], text: str) -> None:
    """As servers and our own errors may quote it."""
    assert redacted(f"<{text}>", secrets_of([header])) == "<[secret]>"


def test_the_scheme_of_a_credential_is_no_secret() -> None:
    """What a 401 asks for must be readable."""
    said = 'Bearer realm="models"'
    assert redacted(said, secrets_of([("authorization", f"Bearer {SECRET}")])) == said


def test_every_text_of_an_error_is_cleaned_but_not_what_a_model_wrote() -> None:
    """Nested ones too; an answer belongs to the caller."""
    error = StreamFailed(f"bad {SECRET}")
    error.body = {"error": [f"bad {SECRET}", {SECRET: 1}]}
    error.partial = f"the model wrote {SECRET}"
    cleaned(error, [("authorization", f"Bearer {SECRET}")])
    assert str(error) == "bad [secret] (status code: -1)"
    assert error.body == {"error": ["bad [secret]", {"[secret]": 1}]}
    assert error.partial == f"the model wrote {SECRET}"
    parsed = ParseError("no number", f"the model wrote {SECRET}")
    cleaned(parsed, [("authorization", f"Bearer {SECRET}")])
    assert parsed.text == f"the model wrote {SECRET}"
