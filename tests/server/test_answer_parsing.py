"""Reasoning and tool calls in the text of an answer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.answer_parsing import ThinkingSplitter, ToolFinder, overlap, tool_tag
from arriero.server.engines.engine import EngineError
from arriero.server.engines.schemas import check_schema
from arriero.server.gotemplate import parse

TAGS = ("<think>", "</think>")
TAGGED = parse(
    "{{ range .Messages }}{{ if .ToolCalls }}{{ range .ToolCalls }}<call>\n"
    '{"name": "{{ .Function.Name }}"}{{ end }}{{ end }}{{ end }}'
)
BARE = parse('{{ range .Messages }}{{ range .ToolCalls }}{"name": "x"}{{ end }}{{ end }}')
LIST = parse("{{ range .Messages }}{{ if .ToolCalls }}[{{ .ToolCalls }}]{{ end }}{{ end }}")
TOOLS: list[dict[str, Any]] = [{"function": {"name": "add"}}, {"function": {"name": "now"}}]


def pieces(text: str, cuts: list[int]) -> list[str]:
    """A text cut at some places."""
    at = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[begin:end] for begin, end in pairwise(at)]


def split(text: str, cuts: list[int], prompt: str = "") -> tuple[str, str]:
    """Reasoning and the rest of a text that comes in pieces."""
    splitter = ThinkingSplitter(TAGS, prompt)
    found = [splitter.add(piece) for piece in pieces(text, cuts)]
    found.append(splitter.flush())
    return "".join(one for one, _ in found), "".join(other for _, other in found)


CUTS = st.lists(st.integers(0, 200), max_size=8)


@given(cuts=CUTS)
@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", "", ("Hm.\n", "Yes.")),
        ("  <think>Hm</think>Yes", "", ("Hm", "Yes")),
        ("\nHm.</think> Yes <think>", "<think>\n", ("Hm.", "Yes <think>")),
        ("Yes.", "", ("", "Yes.")),
        (" <b>Yes", "", ("", " <b>Yes")),
        ("<think>Hm", "", ("Hm", "")),
        ("<think>Hm </thi", "", ("Hm </thi", "")),
        ("<thi", "", ("", "<thi")),
        ("<think></think>", "", ("", "")),
    ],
)
def test_reasoning_is_told_apart_however_it_comes(
    text: str, prompt: str, expected: tuple[str, str], cuts: list[int]
) -> None:
    """Tags may be cut anywhere; nothing else is lost."""
    assert split(text, cuts, prompt) == expected


def test_reasoning_is_given_as_soon_as_it_is_certain() -> None:
    """Only what may be the beginning of a tag waits."""
    splitter = ThinkingSplitter(TAGS, "<think>")
    assert splitter.add("Hm <") == ("Hm ", "")
    assert splitter.add("b") == ("<b", "")
    assert splitter.add("</think>Yes") == ("", "Yes")


def calls(template: Any, text: str, cuts: list[int]) -> tuple[list[tuple[str, Any]], str]:
    """Calls and text in an answer that comes in pieces."""
    finder = ToolFinder(template, TOOLS)
    found, rest = [], ""
    for piece in pieces(text, cuts):
        some, plain = finder.add(piece)
        found.extend(some)
        rest += plain
    assert [call.index for call in found] == list(range(len(found)))
    assert len({call.id for call in found}) == len(found)
    return [(call.name, call.arguments) for call in found], rest + finder.flush()


ADD = '{"name": "add", "arguments": {"a": 1, "b": {"c": "}"}}}'
SUB = '{"name": "sub", "arguments": {}}'


@given(cuts=CUTS)
@pytest.mark.parametrize(
    ("template", "text", "names", "rest"),
    [
        (TAGGED, f"So:\n<call>\n{ADD}\n</call>", ["add"], "So:\n"),
        (TAGGED, f"<call>{ADD}</call>\n<call>{ADD}</call>", ["add", "add"], ""),
        (TAGGED, '<call>{"name": "now", "parameters": {}}', ["now"], ""),
        (TAGGED, '<call>now {"zone": "UTC"}', ["now"], ""),
        (TAGGED, f"{ADD} is JSON", [], f"{ADD} is JSON"),
        (TAGGED, f"<call>{SUB}", [], f"<call>{SUB}"),
        (TAGGED, "<call>{broken", [], "<call>{broken"),
        (TAGGED, "a <cal", [], "a <cal"),
        (BARE, ADD, ["add"], ""),
        (LIST, f"[{ADD}, {ADD}]", ["add", "add"], ""),
        (BARE, f"Like {ADD}", [], f"Like {ADD}"),
        (BARE, "Just text.", [], "Just text."),
    ],
)  # fmt: skip
def test_calls_are_found_however_they_come(
    template: Any, text: str, names: list[str], rest: str, cuts: list[int]
) -> None:
    """What is no call stays text."""
    found, plain = calls(template, text, cuts)
    assert [name for name, _ in found] == names
    assert plain == rest


def test_arguments_come_as_they_were_written() -> None:
    """Braces in texts do not end them."""
    assert calls(TAGGED, f"<call>{ADD}", [])[0] == [("add", {"a": 1, "b": {"c": "}"}})]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("{{ range .ToolCalls }}<call>{{ . }}{{ end }}", "<call>"),
        (
            "{{ if .ToolCalls }}[TOOL_CALLS] [{{ range .ToolCalls }}{{ end }}{{ end }}",
            "[TOOL_CALLS] [",
        ),
        ("{{ if .ToolCalls }}{{ range .ToolCalls }}{{ . }}{{ end }}{{ end }}", "{"),
        ("{{ if and .ToolCalls (not .Content) }}call: {{ end }}", "call:"),
        ("{{ if .Content }}{{ else if .ToolCalls }}call: {{ end }}", "call:"),
        ("{{ .Prompt }}", "{"),
    ],
)
def test_the_template_shows_how_calls_begin(text: str, tag: str) -> None:
    """The text before the first brace or bracket."""
    assert tool_tag(parse(text)) == tag


@given(text=st.text("<a/b>", max_size=12))
def test_overlap_is_the_longest_end_that_may_become_the_tag(text: str) -> None:
    """Never the whole tag: that would have been found."""
    size = overlap(text, "</a>")
    assert size < 4
    assert text.endswith("</a>"[:size])
    assert not any(text.endswith("</a>"[:more]) for more in range(size + 1, 4))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "nonsense"}, 'Unrecognized schema: {"type":"nonsense"}'),
        ({"items": [{"type": 5}], "properties": {"a": {"type": 5}}}, "Unrecognized schema"),
        ({"anyOf": [{"type": ["string", "nil"]}]}, "Unrecognized schema"),
        ({"$ref": "#/$defs/x"}, "Error resolving ref #/$defs/x: $defs not in"),
        ({"$defs": {"y": {}}, "items": {"$ref": "#/$defs/x"}}, 'x not in {"y":{}}'),
    ],
)
def test_schemas_no_grammar_follows_from_are_refused(schema: dict[str, Any], text: str) -> None:
    """They would silently not be enforced."""
    with pytest.raises(EngineError) as caught:
        check_schema(schema)
    assert caught.value.status == 400
    assert text in caught.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": ["string", "null"]},
        {"enum": ["a", 1]},
        {"properties": {"type": {"type": "string"}}, "required": ["type"]},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "$ref": "#/anyOf/0"},
    ],
)
def test_usual_schemas_are_let_through(schema: dict[str, Any]) -> None:
    """Also those that refer to themselves."""
    check_schema(schema)
