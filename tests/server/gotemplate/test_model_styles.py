"""Templates in the manner of well-known models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from arriero.server.gotemplate import ToolCall, Turn, parse, prompt_from

CHATML = """{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""

HEADERS = """{{- if or .System .Tools }}<|head|>system<|/head|>
{{- if .System }}

{{ .System }}
{{- end }}
{{- if .Tools }}

Answer with a call when a function helps.
{{- end }}<|eot|>
{{- end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|head|>user<|/head|>
{{- if and $.Tools $last }}

Functions:
{{ range $.Tools }}{{ . }}
{{ end }}
{{- end }}

{{ .Content }}<|eot|>{{ if $last }}<|head|>assistant<|/head|>

{{ end }}
{{- else if eq .Role "assistant" }}<|head|>assistant<|/head|>
{{- if .ToolCalls }}
{{ range .ToolCalls }}
{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}
{{- else }}

{{ .Content }}
{{- end }}{{ if not $last }}<|eot|>{{ end }}
{{- else if eq .Role "tool" }}<|head|>result<|/head|>

{{ .Content }}<|eot|>{{ if $last }}<|head|>assistant<|/head|>

{{ end }}
{{- end }}
{{- end }}"""

BRACKETS = """{{- $index := -1 }}
{{- range $i, $m := .Messages }}{{ if eq .Role "user" }}{{ $index = $i }}{{ end }}{{ end }}
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}
{{- if and (eq $i $index) $.Tools }}[TOOLS] {{ $.Tools }}[/TOOLS]{{ end }}[INST] {{ if and \
(eq $i $index) $.System }}{{ $.System }}

{{ end }}{{ .Content }}[/INST]
{{- else if eq .Role "assistant" }}
{{- if .Content }} {{ .Content }}</s>
{{- else if .ToolCalls }}[CALLS] [
{{- range $n, $_ := .ToolCalls }}{{ if $n }}, {{ end }}{"name": "{{ .Function.Name }}", \
"arguments": {{ json .Function.Arguments }}}
{{- end }}]</s>
{{- end }}
{{- else if eq .Role "tool" }}[RESULTS] {"content": {{ json .Content }}}[/RESULTS]
{{- end }}
{{- end }}"""

THINKING = """{{- $last := -1 }}
{{- range $i, $m := .Messages }}{{ if eq $m.Role "user" }}{{ $last = $i }}{{ end }}{{ end }}
{{- if .System }}<sys>{{ .System }}</sys>{{ end }}
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}<user>{{ .Content }}
{{- if and $.IsThinkSet (eq $i $last) }} /{{ if $.Think }}think{{ else }}no_think{{ end }}
{{- if $.ThinkLevel }}:{{ $.ThinkLevel }}{{ end }}{{ end }}</user>
{{- else if eq .Role "assistant" }}<model>
{{- if and .Thinking (gt $i $last) }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}</model>
{{- end }}
{{- end }}<model>{{ if and $.IsThinkSet (not $.Think) }}<think></think>{{ end }}"""

TOOL: Mapping[str, object] = {
    "type": "function",
    "function": {"name": "now", "description": "Time", "parameters": {"type": "object"}},
}
SHOWN = (
    '{"type":"function","function":{"name":"now","description":"Time",'
    '"parameters":{"type":"object","properties":null}}}'
)

CALLED = [
    Turn("system", "Be kind."),
    Turn("user", "Time?"),
    Turn("assistant", tool_calls=[ToolCall("now", {"zone": "Lima"}), ToolCall("now", {})]),
    Turn("tool", 'It is "noon".', tool_name="now"),
]


def test_chatml() -> None:
    """Old style: system text only in the first round."""
    turns = [Turn("system", "S"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")]
    assert prompt_from(parse(CHATML), turns) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
        "<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("turns", "tools", "prompt"),
    [
        (
            [Turn("user", "a")],
            [],
            "<|head|>user<|/head|>\n\na<|eot|><|head|>assistant<|/head|>\n\n",
        ),
        (
            CALLED[:2],
            [TOOL],
            "<|head|>system<|/head|>\n\nBe kind.\n\nAnswer with a call when a function helps."
            f"<|eot|><|head|>user<|/head|>\n\nFunctions:\n{SHOWN}\n\n\nTime?<|eot|>"
            "<|head|>assistant<|/head|>\n\n",
        ),
        (
            CALLED,
            [],
            "<|head|>system<|/head|>\n\nBe kind.<|eot|><|head|>user<|/head|>\n\nTime?<|eot|>"
            '<|head|>assistant<|/head|>\n\n{"name": "now", "parameters": {"zone":"Lima"}}\n'
            '{"name": "now", "parameters": {}}<|eot|><|head|>result<|/head|>\n\nIt is "noon".'
            "<|eot|><|head|>assistant<|/head|>\n\n",
        ),
        (
            [Turn("user", "a"), Turn("assistant", "b")],
            [],
            "<|head|>user<|/head|>\n\na<|eot|><|head|>assistant<|/head|>\n\nb",
        ),
    ],
)
def test_headers_with_tools(
    turns: Sequence[Turn], tools: Sequence[Mapping[str, object]], prompt: str
) -> None:
    """The last message is found by slicing; tools stand before the last question."""
    assert prompt_from(parse(HEADERS), turns, tools) == prompt


def test_brackets_with_tools() -> None:
    """Variables of the outer template change within a range."""
    assert prompt_from(parse(BRACKETS), CALLED, [TOOL]) == (
        f"[TOOLS] [{SHOWN}][/TOOLS][INST] Be kind.\n\nTime?[/INST][CALLS] ["
        '{"name": "now", "arguments": {"zone":"Lima"}}, {"name": "now", "arguments": {}}]</s>'
        '[RESULTS] {"content": "It is \\"noon\\"."}[/RESULTS]'
    )


@pytest.mark.parametrize(
    ("think", "mark", "end"),
    [
        (None, "", "<model>"),
        (True, " /think:medium", "<model>"),
        ("high", " /think:high", "<model>"),
        (False, " /no_think", "<model><think></think>"),
    ],
)
def test_thinking(think: bool | str | None, mark: str, end: str) -> None:
    """Earlier thoughts only stay behind the last question."""
    turns = [
        Turn("user", "a"),
        Turn("assistant", "b", thinking="old"),
        Turn("user", "c"),
        Turn("assistant", "d", thinking="new"),
    ]
    assert prompt_from(parse(THINKING), turns, think=think) == (
        f"<user>a</user><model>b</model><user>c{mark}</user><model><think>new</think>d</model>{end}"
    )
