"""Rules that hold for any template."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from arriero.server.gotemplate import TemplateError, Turn, parse, prompt_from
from arriero.server.gotemplate.gotext import quote, unquote, whole_text

PIECES = st.sampled_from(
    [
        *("{{", "}}", "{{-", "-}}", "if", "range", "with", "end", "else", ".x", "$", "$v", ":="),
        *("|", "(", ")", '"a"', "`b`", "1", "print", "index", "define", "template", "block"),
        *("text", "{{end}}", "{{.x}}", "{{range .x}}", "{{/*", "*/}}", "'c'", ",", "break", "é"),
    ]
)

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_actions_renders_to_itself(text: str) -> None:
    """Whatever it is made of."""
    assert parse(text).render({}) == text
    assert prompt_from(parse(text), [Turn("user", "x")]) == text


@given(st.lists(PIECES, max_size=25).map(" ".join), JSON)
def test_any_template_renders_or_says_what_is_wrong(template: str, value: object) -> None:
    """No other exception gets out."""
    try:
        result = parse(template).render({"x": value})
    except TemplateError as error:
        result = str(error)
    assert result.encode().decode() == result


@given(st.text())
def test_a_quoted_text_reads_back(text: str) -> None:
    """As a literal of the language."""
    assert unquote(quote(text)) == text
    assert parse("{{ " + quote(text) + " }}").render({}) == text


@given(st.binary())
def test_cut_characters_come_together_again(data: bytes) -> None:
    """And what stays broken is replaced."""
    text = data.decode("utf-8", "surrogateescape")
    assert whole_text(text) == data.decode("utf-8", "replace")
    assert unquote(quote(text)) == text


@given(JSON)
def test_json_reads_back(value: object) -> None:
    """Other decoders understand it."""
    text = parse("{{ json .v }}").render({"v": value})
    assert json.loads(text, parse_int=float) == value
