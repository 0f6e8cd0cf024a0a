"""Templates come from strangers: none takes more than its share."""

from __future__ import annotations

from time import monotonic

import pytest

from arriero.server.gotemplate import Limits, TemplateError, ToolCall, Turn, parse, prompt_from


def test_actions_in_each_other_have_a_limit() -> None:
    """Sixty deep is far beyond real templates."""
    deep = 60
    assert parse("{{ if true }}" * deep + "x" + "{{ end }}" * deep).render({}) == "x"
    with pytest.raises(TemplateError, match="nested more than 60 deep"):
        parse("{{ if true }}" * 61 + "x" + "{{ end }}" * 61)


def test_parentheses_in_each_other_have_a_limit() -> None:
    """They count like actions."""
    assert parse("{{ " + "(" * 60 + "1" + ")" * 60 + " }}").render({}) == "1"
    assert parse("{{ " + "(print " * 60 + "1" + ")" * 60 + " }}").render({}) == "1"
    with pytest.raises(TemplateError, match="nested more than 60 deep"):
        parse("{{ " + "(" * 100_000)


def test_a_chain_of_else_if_counts_too() -> None:
    """Each is an `if` within the `else` before it."""
    chain = "{{ if false }}" + "{{ else if false }}" * 61 + "{{ end }}"
    with pytest.raises(TemplateError, match="nested more than 60 deep"):
        parse(chain)


def test_a_template_that_calls_itself_ends() -> None:
    """Go stops after a hundred thousand rounds, we sooner."""
    with pytest.raises(TemplateError, match=r"exceeded maximum template depth \(120\)"):
        parse('{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}').render({})


def test_steps_are_counted() -> None:
    """Ranges within ranges grow fast."""
    rounds = parse("{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}")
    with pytest.raises(TemplateError, match="takes more than 5000 steps"):
        rounds.render({}, limits=Limits(steps=5000))


def test_the_default_limit_of_steps_holds_for_seconds_at_most() -> None:
    """An endless template is a short annoyance."""
    began_s = monotonic()
    with pytest.raises(TemplateError, match="steps"):
        parse("{{ range 1000000000 }}{{ end }}").render({}, limits=Limits(steps=100_000))
    assert monotonic() - began_s < 30  # without a limit it would be hours


@pytest.mark.parametrize(
    "template",
    [
        "{{ range 1000 }}0123456789{{ end }}",
        '{{ $x := "0123456789" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
        '{{ $x := "0123456789" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}',
        '{{ printf "%9999999d" 1 }}',
        "{{ printf `%s` .l }}",
        "{{ .l }}",
    ],
)
def test_no_text_grows_beyond_the_limit(template: str) -> None:
    """Neither the result nor one on the way there."""
    with pytest.raises(TemplateError, match="a text grew beyond 1000 characters"):
        parse(template).render({"l": ["0123456789"] * 200}, limits=Limits(output_chars=1000))


def test_much_text_handled_costs_steps() -> None:
    """Escaping a book a thousand times is refused although nothing of it is printed."""
    template = parse("{{ range 1000 }}{{ $x := html $.book }}{{ end }}")
    with pytest.raises(TemplateError, match="steps"):
        template.render({"book": "x" * 100_000}, limits=Limits(steps=20_000))


def test_data_too_deep_is_an_error_of_the_template() -> None:
    """Never Python's own."""
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TemplateError, match="too deep"):
        parse("{{ json .deep }}").render({"deep": deep})
    turns = [Turn("assistant", tool_calls=[ToolCall("f", {"deep": deep})])]
    with pytest.raises(TemplateError, match="too deep"):
        prompt_from(parse("{{ range .Messages }}{{ end }}"), turns)


def test_a_long_conversation_stays_within_the_defaults() -> None:
    """Three thousand messages are rendered."""
    template = parse(
        "{{ range $i, $m := .Messages }}{{ if eq .Role `user` }}<{{ .Content }}>"
        "{{ else if eq .Role `assistant` }}{{ .Content }}{{ end }}{{ end }}"
    )
    turns = [Turn("user" if at % 2 else "assistant", "hello") for at in range(3_000)]
    assert len(prompt_from(template, turns)) == 18_000
