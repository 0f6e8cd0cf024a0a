"""Conversations become prompts as Ollama makes them.

The templates named `mini-go`, `mini-plain` and `mini-tmpl` are those of the recorded server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arriero.server.gotemplate import (
    Template,
    ToolCall,
    Turn,
    fields_of,
    infill_prompt_from,
    parse,
    prompt_from,
    thinking_tags,
)

CORPUS = Path(__file__).parents[2] / "wire" / "corpus"

WEATHER: Mapping[str, object] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather <now>",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "unit": {"type": ["string", "null"], "enum": ["c", 1]},
                "city": {"type": "string", "description": "The city"},
            },
        },
    },
}


def recorded(case: str, kind: str) -> Any:
    """Read one side of a recorded exchange."""
    return json.loads((CORPUS / f"{case}.{kind}.json").read_text())


def recorded_template(case: str) -> Template:
    """Parse the template of a recorded create request."""
    return parse(recorded(case, "request")["body"]["template"])


def turns_from(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Read the messages of a request."""
    return [
        Turn(
            role=message["role"],
            content=message.get("content", ""),
            thinking=message.get("thinking", ""),
            tool_calls=[
                ToolCall(
                    call["function"]["name"], call["function"].get("arguments"), call.get("id", "")
                )
                for call in message.get("tool_calls", ())
            ],
            tool_name=message.get("tool_name", ""),
            tool_call_id=message.get("tool_call_id", ""),
        )
        for message in messages
    ]


MINI_GO = recorded_template("create/gguf-go-template")
MINI_PLAIN = recorded_template("create/gguf-plain")
MINI_TMPL = recorded_template("create/from-template")

TALK = [
    Turn("system", "S"),
    Turn("user", "a"),
    Turn("assistant", "b"),
    Turn("user", "c"),
]


def test_the_recorded_prompt_comes_out() -> None:
    """What `_debug_render_only` answered for a system text and a tool."""
    body = recorded("chat-go/debug-render", "request")["body"]
    answer = json.loads(recorded("chat-go/debug-render", "response")["body"])
    prompt = prompt_from(MINI_GO, turns_from(body["messages"]), body["tools"], think=body["think"])
    assert prompt == answer["_debug_info"]["rendered_template"]


def test_the_template_of_a_recorded_request_renders() -> None:
    """The answer of the real server began with these nine tokens."""
    body = recorded("generate/template", "request")["body"]
    prompt = prompt_from(parse(body["template"]), [Turn("user", body["prompt"])])
    assert prompt == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_a_recorded_tool_result_is_rendered() -> None:
    """Calls are replayed as JSON; its length is that the real server counted (239 tokens)."""
    body = recorded("chat-go/tool-result", "request")["body"]
    prompt = prompt_from(MINI_GO, turns_from(body["messages"]), body["tools"], think=False)
    assert prompt.endswith(
        "<|im_start|>user\nWhat is the weather in Lima?<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "get_weather", "arguments": {"city":"Lima"}}\n</tool_call><|im_end|>'
        "\n<|im_start|>tool\n19 degrees and cloudy<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("template", [MINI_PLAIN, MINI_TMPL])
def test_an_old_template_is_rendered_turn_by_turn(template: Template) -> None:
    """One rendering per answer; the last one ends where the answer goes."""
    assert prompt_from(template, TALK) == (
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
    )


def test_an_old_template_without_response_gets_it_at_the_end() -> None:
    """Earlier answers follow their prompts."""
    assert prompt_from(parse("[{{ .System }}]{{ .Prompt }}>"), TALK) == "[S]a>b[]c>"


def test_a_begun_answer_is_rendered_too() -> None:
    """The model goes on behind it."""
    assert prompt_from(MINI_PLAIN, [Turn("user", "a"), Turn("assistant", "b")]).endswith(
        "assistant\nb"
    )


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{{ .Prompt }}{{ .Response }}end{{ .Prompt }}", "abendac"),
        ("{{ .Prompt }}{{ if .Response }}{{ .Response }}!{{ end }}end", "ab!endc"),
        ("{{ .Prompt }}{{ if .System }}{{ .Response }}{{ else }}x{{ end }}y", "abyc"),
        ("{{ .Prompt }}{{ printf `%s!` .Response }}z", "ab!zc!"),
        ("{{ .Prompt }}{{ .Response | printf `%s!` }}z", "ab!zc"),
        ("{{ .Prompt }}{{ $r := .Response }}{{ $r }}z", "abzc"),
        ("{{ .Prompt }}{{ $.Response }}z", "abzcz"),
    ],
)
def test_what_follows_the_response_is_cut_from_the_last_round(template: str, prompt: str) -> None:
    """Ollama's rewriting, with its edges."""
    assert prompt_from(parse(template), TALK) == prompt


def test_roles_old_templates_do_not_know_are_left_out() -> None:
    """Only system, user and assistant count."""
    turns = [Turn("user", "a"), Turn("tool", "t"), Turn("odd", "o")]
    assert prompt_from(parse("{{ .Prompt }}>"), turns) == "a>"


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        ([], ">"),
        ([Turn("system", "s")], "s>"),
        ([Turn("user", "a"), Turn("system", "s"), Turn("user", "b")], "a>sb>"),
        ([Turn("assistant", "x"), Turn("system", "s")], ">xs>"),
    ],
)
def test_a_system_text_begins_a_round(turns: list[Turn], prompt: str) -> None:
    """What was said before is rendered first."""
    assert prompt_from(parse("{{ .System }}{{ .Prompt }}>"), turns) == prompt


def test_neighbours_of_one_role_are_merged() -> None:
    """A blank line goes between; results of tools stay apart; all system texts are joined."""
    turns = [
        Turn("system", "s1"),
        Turn("system", "s2"),
        Turn("user", "a"),
        Turn("user", "b"),
        Turn("tool", "t1", tool_name="x"),
        Turn("tool", "t2", tool_name="y", tool_call_id="i"),
        Turn("system", "s3"),
    ]
    template = parse(
        "{{ .System }}#{{ range .Messages }}{{ .Role }}={{ .Content }}"
        "{{ .ToolName }}{{ .ToolCallID }};{{ end }}"
    )
    assert prompt_from(template, turns) == (
        "s1\n\ns2\n\ns3#system=s1\n\ns2;user=a\n\nb;tool=t1x;tool=t2yi;system=s3;"
    )


@pytest.mark.parametrize(
    ("think", "text"),
    [
        (None, "false||false"),
        (False, "false||true"),
        (True, "true|medium|true"),
        ("low", "true|low|true"),
    ],
)
def test_the_wish_to_think_reaches_the_template(think: bool | str | None, text: str) -> None:
    """A flag, a level, and whether anybody said so."""
    template = parse("{{ .Think }}|{{ .ThinkLevel }}|{{ .IsThinkSet }}{{ .Response }}")
    assert prompt_from(template, [], think=think) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{{ range .Tools }}{{ . }}{{ end }}",
            '{"type":"function","function":{"name":"get_weather","description":'
            '"Weather \\u003cnow\\u003e","parameters":{"type":"object","required":["city"],'
            '"properties":{"city":{"type":"string","description":"The city"},'
            '"unit":{"type":["string","null"],"enum":["c",1]}}}}}',
        ),
        (
            "{{ range .Tools }}{{ .Function.Parameters }}{{ end }}",
            '{"type":"object","required":["city"],"properties":{"city":{"type":"string",'
            '"description":"The city"},"unit":{"type":["string","null"],"enum":["c",1]}}}',
        ),
        (
            "{{ range .Tools }}{{ .Function.Name }}: {{ .Function.Description }}"
            "{{ range $name, $p := .Function.Parameters.Properties }}\n"
            "- {{ $name }} ({{ $p.Type }}, {{ toTypeScriptType $p }}) {{ $p.Description }}"
            "{{ range $p.Enum }} {{ . }}{{ end }}{{ end }}{{ end }}",
            "get_weather: Weather <now>\n- city (string, string) The city"
            "\n- unit ([string null], string | null)  c 1",
        ),
        (
            "{{ range .Tools }}{{ len .Function.Parameters.Properties }}"
            "{{ .Function.Parameters.Properties.city }}"
            "{{ .Function.Parameters.Properties.nope.Type }}.{{ end }}",
            "2{[] string <nil> The city [] <nil> []}.",
        ),
        ("{{ range .Tools }}{{ (index .Function.Parameters.Required 0) }}{{ end }}", "city"),
    ],
)
def test_tools_print_as_json_and_have_fields(template: str, text: str) -> None:
    """Structs keep the order of their keys, maps are sorted."""
    assert prompt_from(parse(template + "{{ if .Messages }}{{ end }}"), [], [WEATHER]) == text


def test_all_tools_print_as_a_list() -> None:
    """Keywords beyond Ollama's types are not there; what is absent is null or empty."""
    template = parse("{{ .Tools }}{{ .Tools.String | len }}{{ len .Messages }}")
    tools = [{"type": "function", "function": {"name": "now", "strict": True}}]
    shown = (
        '[{"type":"function","function":{"name":"now","description":"","parameters":'
        '{"type":"","properties":null}}}]'
    )
    assert prompt_from(template, [], tools) == f"{shown}{len(shown)}0"


def test_properties_in_properties_keep_their_order() -> None:
    """Only the outermost ones pass through a Go map."""
    inner = {"z": {"type": "integer"}, "a": {"anyOf": [{"type": "null"}, {"type": "array"}]}}
    tool = {
        "function": {
            "parameters": {"properties": {"deep": {"properties": inner, "items": {"b": 1, "a": 2}}}}
        }
    }
    template = parse(
        "{{ range .Tools }}{{ with .Function.Parameters.Properties.deep }}{{ json . }}"
        "{{ .Properties.a.ToTypeScriptType }}{{ toTypeScriptType .Items }}{{ end }}{{ end }}"
        "{{ if .Messages }}{{ end }}"
    )
    assert prompt_from(template, [], [tool]) == (
        '{"items":{"a":2,"b":1},"properties":{"z":{"type":"integer"},'
        '"a":{"anyOf":[{"type":"null"},{"type":"array"}]}}}null | any[]any'
    )


def test_arguments_print_as_json_and_can_be_walked() -> None:
    """Keys are sorted at every depth; numbers went through float64."""
    arguments = {"z": 12345678, "city": "Lima", "deep": {"b": 1, "a": 2}}
    turns = [Turn("assistant", tool_calls=[ToolCall("f", arguments)])]
    template = parse(
        "{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }} "
        "{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }};{{ end }} "
        "{{ json . }} {{ .Function.Arguments.nope }}{{ end }}{{ end }}"
    )
    assert prompt_from(template, turns) == (
        '{"city":"Lima","deep":{"a":2,"b":1},"z":12345678} '
        "city=Lima;deep=map[a:2 b:1];z=1.2345678e+07; "
        '{"ID":"","Function":{"Index":0,"Name":"f","Arguments":{"city":"Lima",'
        '"deep":{"a":2,"b":1},"z":12345678}}} <no value>'
    )


def test_a_call_without_arguments_prints_braces() -> None:
    """Nil and empty look the same."""
    turns = [Turn("assistant", tool_calls=[ToolCall("f"), ToolCall("g", {})])]
    template = parse(
        "{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }}{{ end }}{{ end }}"
    )
    assert prompt_from(template, turns) == "{}{}"


def test_messages_are_compared_by_identity() -> None:
    """They are pointers in Go; lists that are not there are nil."""
    template = parse(
        "{{ range .Messages }}{{ eq . . }}{{ eq . (index $.Messages 0) }}"
        "{{ eq .ToolCalls nil }}{{ end }}"
    )
    assert prompt_from(template, TALK[1:3]) == "truetruetruetruefalsetrue"


def test_the_clock_is_the_callers() -> None:
    """Dates come from `today`."""
    template = parse("{{ currentDate }} {{ yesterdayDate }}{{ .Response }}")
    prompt = prompt_from(template, [], today=lambda: date(2026, 3, 1))
    assert prompt == "2026-03-01 2026-02-28"


def test_a_gap_is_filled_between_two_texts() -> None:
    """Neither messages nor system text are there then."""
    template = parse("<P>{{ .Prompt }}<S>{{ .Suffix }}<M>{{ .Think }}{{ .System }}")
    assert infill_prompt_from(template, "a", "b", think=True) == "<P>a<S>b<M>true<no value>"


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("plain", set[str]()),
        ("{{ .Prompt }}{{ .Suffix }}", {"prompt", "suffix"}),
        ("{{ range $.Messages }}{{ .ToolCalls }}{{ end }}", {"$", "messages", "toolcalls"}),
        ("{{ if .Tools }}{{ else }}{{ .A.B }}{{ end }}", {"tools", "a", "b"}),
        ('{{ define "x" }}{{ .In }}{{ end }}{{ template "x" .Out }}', {"in", "out"}),
        ("{{ print (len .Messages) }}", {"messages"}),
        ("{{ (index .Messages 0).Role }}", set[str]()),
        ("{{ $x := .Y }}{{ $x }}", {"y", "$x"}),
    ],
)
def test_fields_a_template_mentions(template: str, fields: set[str]) -> None:
    """In lower case; not behind or inside a parenthesis with a field after it."""
    assert fields_of(parse(template)) == fields


@pytest.mark.parametrize(
    ("template", "tags"),
    [
        (
            "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>\n{{ end }}"
            "{{ .Content }}{{ end }}",
            ("<think>", "</think>"),
        ),
        ("{{ range .Messages }}{{ .Content }}{{ end }}", ("", "")),
        ("<a>{{ .Thinking }}</a>", ("", "")),
        ("{{ range .Other }}<a>{{ .Thinking }}</a>{{ end }}", ("", "")),
        (
            "{{ range $i, $m := (slice .Messages 0) }}<a>{{ .Thinking }}</a>{{ end }}",
            ("<a>", "</a>"),
        ),
        ("{{ range $i, $m := .Messages }}<a> {{ $m.Thinking }}</a>{{ end }}", ("", "")),
        (
            "{{ range .Messages }}{{ with .X }}{{ else }}<a> {{ .Thinking | html }} </a>{{ end }}"
            "{{ end }}",
            ("<a>", "</a>"),
        ),
    ],
)
def test_tags_around_thoughts(template: str, tags: tuple[str, str]) -> None:
    """The text around `.Thinking` within the messages."""
    assert thinking_tags(parse(template)) == tags


def test_the_recorded_thinking_model_has_tags() -> None:
    """So its capability is found."""
    assert thinking_tags(MINI_GO) == ("<think>", "</think>")
    assert {"tools", "messages", "think"} <= fields_of(MINI_GO)
