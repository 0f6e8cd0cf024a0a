"""What templates mean.

The expected texts are the answers of Go's own text/template.
"""

from __future__ import annotations

from datetime import date

import pytest

from arriero.server.gotemplate import parse

from .values import VALUES


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.s}}", "héllo <b>&'\""),
        ("{{ .n }}", "5"),
        ("{{.f}}", "1.5"),
        ("{{.big}}", "1.2345678e+07"),
        ("{{.t}}", "true"),
        ("{{.nil}}", "<no value>"),
        ("{{.l}}", "[a b 3 <nil> true [1 2]]"),
        ("{{.m}}", "map[a:x inner:map[k:v] n:<nil> z:1]"),
        ("{{.em}}", "map[]"),
        ("{{.el}}", "[]"),
        ("{{.nope}}", "<no value>"),
        ("a {{- .s -}} b", "ahéllo <b>&'\"b"),
        ("a {{- /* c */ -}} b", "ab"),
        ("{{/* c */}}x", "x"),
        ('{{ne .s "a"}}', "true"),
        ("{{(.nope).x}}", "<no value>"),
        ("{{.m.inner.k}}", "v"),
        ("{{ 'a' }}", "97"),
        ("{{ '\\n' }}", "10"),
        ("{{ '\\x41' }}", "65"),
        ("{{ 'é' }}", "233"),
        ('{{ "\\u00e9\\x41\\101\\t" }}', "éAA\t"),
        ('{{ `raw\\n"` }}', 'raw\\n"'),
        ("{{ 1 | }}", "1"),
        ("{{ 0x1F }}", "31"),
        ("{{ 0b11 }}", "3"),
        ("{{ 0o17 }}", "15"),
        ("{{ 017 }}", "15"),
        ("{{ 1_000 }}", "1000"),
        ("{{ -5 }}", "-5"),
        ("{{ +5 }}", "5"),
        ("{{ 1e3 }}", "1000"),
        ("{{ .5 }}", "0.5"),
        ("{{ 0x1p4 }}", "16"),
        ("{{ 1. }}", "1"),
        ("{{ $.s }}", "héllo <b>&'\""),
        ("{{ .1 }}", "0.1"),
        ("{{- .n -}}", "5"),
        ("{{-3}}", "-3"),
        ("{{ -3 -}} x", "-3x"),
        ("{{3 -}}   x", "3x"),
        ("x   {{- 3}}", "x3"),
        (" 1 }}", " 1 }}"),
        ("line1{{ .n }}", "line15"),
        ("{{ .String }}", "<no value>"),
        ("a", "a"),
        ("{{-\n.n\n-}}", "5"),
        ("a \n {{- .n}}", "a5"),
        ("{{.n -}} \n b", "5b"),
        ("{{`a\r\nb`}}", "a\nb"),
    ],
)
def test_actions_are_filled_in(template: str, text: str) -> None:
    """Text, trimming, constants and fields."""
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{if .e}}A{{else if .n}}B{{else}}C{{end}}", "B"),
        ("{{with .m}}{{.a}}{{$.s}}{{end}}", "xhéllo <b>&'\""),
        ("{{with .e}}x{{else}}y{{end}}", "y"),
        ("{{with $x := .n}}{{$x}}{{end}}", "5"),
        ("{{range .l}}[{{.}}]{{end}}", "[a][b][3][<no value>][true][[1 2]]"),
        ("{{range $i, $v := .l}}{{$i}}={{$v}};{{end}}", "0=a;1=b;2=3;3=<no value>;4=true;5=[1 2];"),
        ("{{range $v := .l}}{{$v}};{{end}}", "a;b;3;<no value>;true;[1 2];"),
        ("{{range .el}}x{{else}}empty{{end}}", "empty"),
        ("{{range $k, $v := .m}}{{$k}}={{$v}};{{end}}", "a=x;inner=map[k:v];n=<no value>;z=1;"),
        (
            '{{define "x"}}[{{.}}]{{end}}{{template "x" .s}}{{template "x" .n}}',
            "[héllo <b>&'\"][5]",
        ),
        ('{{block "y" .m}}<{{.a}}>{{end}}', "<x>"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$y}}{{end}}{{$x}}", "32"),
        ("{{$y := .nope}}{{$y.x}}", "<no value>"),
        ("{{- if gt .n 3.0 }} yes {{- end }}!", " yes!"),
        (
            "{{ with $y := .m }}{{ $y.a }}{{ range $k, $v := $y }}{{ $k }}{{ end }}{{ end }}",
            "xainnernz",
        ),
        (
            "{{ range $i, $e := .l }}{{ if $i }}, {{ end }}{{ $e }}{{ end }}",
            "a, b, 3, <no value>, true, [1 2]",
        ),
        ("{{ if .s }}{{ .s }}{{ end -}}   tail", "héllo <b>&'\"tail"),
        ("{{ range .nest.l }}{{ .name }}{{ $.n }}{{ end }}", "A5B5"),
        ("{{ if .n\n}}x{{end}}", "x"),
        ("{{range .l}}{{break}}x{{end}}y", "y"),
        ("{{range .l}}a{{continue}}x{{end}}y", "aaaaaay"),
    ],
)
def test_control_structures(template: str, text: str) -> None:
    """Branches, loops, variables and templates in templates."""
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{and .t .s}}", "héllo <b>&'\""),
        ("{{and .e .s}}", ""),
        ("{{or .e .s}}", "héllo <b>&'\""),
        ("{{or .e .b}}", "false"),
        ("{{not .e}}", "true"),
        ("{{and .t}}", "true"),
        ("{{or .nil}}", "<no value>"),
        ("{{eq .n 5.0}}", "true"),
        ('{{eq .s "x" .s}}', "true"),
        ("{{eq .t true}}", "true"),
        ("{{eq .nil nil}}", "true"),
        ('{{eq .nope "x"}}', "false"),
        (
            '{{lt 1 2}}{{le 2 2}}{{gt 1 2}}{{ge 2 3}}{{lt "a" "b"}}{{lt 1.5 2.5}}',
            "truetruefalsefalsetruetrue",
        ),
        ("{{len .s}}", "13"),
        ("{{len .l}}", "6"),
        ("{{len .m}}", "4"),
        ("{{index .l 1}}", "b"),
        ('{{index .m "a"}}', "x"),
        ('{{index .m "q"}}', "<no value>"),
        ('{{index .m "inner" "k"}}', "v"),
        ("{{index .s 1}}", "195"),
        ("{{slice .s 1 3}}", "é"),
        ("{{slice .l 1 2}}", "[b]"),
        ("{{slice .l}}", "[a b 3 <nil> true [1 2]]"),
        ("{{slice .s 0 2}}{{slice .s 2 3}}", "hé"),
        ("{{html .s}}", "héllo &lt;b&gt;&amp;&#39;&#34;"),
        ("{{js .s}}", "héllo \\u003Cb\\u003E\\u0026\\'\\\""),
        ("{{urlquery .s}}", "h%C3%A9llo+%3Cb%3E%26%27%22"),
        ("{{html .nil}}", "&lt;no value&gt;"),
        ('{{js "a\\nb=é\\u2028"}}', "a\\u000Ab\\u003Dé\\u2028"),
        ('{{urlquery "a b/ñ~-._*"}}', "a+b%2F%C3%B1~-._%2A"),
        ('{{html "a" "b" 1 2}}', "ab1 2"),
        ("{{.s | html | len}}", "31"),
        ("{{json .m}}", '{"a":"x","inner":{"k":"v"},"n":null,"z":1}'),
        ("{{json .l}}", '["a","b",3,null,true,[1,2]]'),
        ("{{json .s}}", '"héllo \\u003cb\\u003e\\u0026\'\\""'),
        ("{{json .f}}", "1.5"),
        ("{{json .big}}", "12345678"),
        ("{{json nil}}", "null"),
        ("{{json 1e21}}", "1e+21"),
        ("{{json 1e-7}}", "1e-7"),
        ("{{json 1e-9}}", "1e-9"),
        ("{{currentDate}}", "2026-11-23"),
        ("{{yesterdayDate}}", "2026-11-22"),
        ('{{currentDate "2006"}}', "2026-11-23"),
        ('{{toTypeScriptType "a"}}', "any"),
        ("{{(index .nest.l 0).name}}", "A"),
        ("{{if and (eq .n 5.0) (not .b) (or .e .t)}}ok{{end}}", "ok"),
        ("{{ .m | json }}", '{"a":"x","inner":{"k":"v"},"n":null,"z":1}'),
        ('{{ slice "héllo" 0 2 }}{{ slice "héllo" 2 }}', "héllo"),
        ('{{ len "é" }}', "2"),
        ("{{ or 1 (index .l 99) }}", "1"),
        ("{{ and 0 (index .l 99) }}", "0"),
        ("{{ 1 | or 0 }}", "1"),
        ("{{ 0 | and 1 }}", "0"),
        ("{{ .nope | or 0 }}", "<no value>"),
    ],
)
def test_functions(template: str, text: str) -> None:
    """Comparisons, logic, indexing, escaping and Ollama's own functions."""
    assert parse(template).render(VALUES, today=lambda: date(2026, 11, 23)) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range $i := 2 }}{{ $i }};{{ end }}", "0;1;"),
        ("{{ range 0 }}x{{ else }}none{{ end }}", "none"),
        ("{{ with .e }}a{{ else with .s }}b{{ else }}c{{ end }}", "b"),
        ("{{ $x := 0 }}{{ range $x = .nest.l }}{{ end }}{{ $x.name }}", "B"),
        ("{{ $i := 9 }}{{ $x := 9 }}{{ range $i, $x = .m }}{{ end }}{{ $i }}{{ $x }}", "z1"),
        ('{{ json "\\b\\f" }}', '"\\b\\f"'),
    ],
)  # fmt: skip
def test_what_later_releases_of_go_added(template: str, text: str) -> None:
    """Ranges over numbers, `else with`, assignment in `range`, short escapes in JSON."""
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (-0.0, "-0"),
        (float("nan"), ""),
        (float("inf"), ""),
        ("<&>\u2028\x01\x7f\ud800", '"\\u003c\\u0026\\u003e\\u2028\\u0001\x7f?"'),
        ({"b": 1.0, "a": [None, True]}, '{"a":[null,true],"b":1}'),
        ((1, 2), "[1,2]"),
        (object(), ""),
    ],
)
def test_json_is_gos(value: object, text: str) -> None:
    """Sorted keys, HTML escaped, numbers plain in between; nothing for what JSON lacks."""
    assert parse("{{ json .v }}").render({"v": value}) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{html nil}}", "&lt;no value&gt;"),
        ("{{js .m}}", "map[a:x inner:map[k:v] n:\\u003Cnil\\u003E z:1]"),
        ("{{json .nope}}", "null"),
        ("{{eq .nope .nil}}", "true"),
        ("{{eq .l .nope}}", "false"),
        ('{{le "a" "a"}}{{ge "b" "a"}}{{gt "b" "a"}}', "truetruetrue"),
        ("{{index .l}}", "[a b 3 <nil> true [1 2]]"),
        ("{{slice .l 0 2 3}}", "[a b]"),
        ("{{with .nope}}{{else}}e{{end}}", "e"),
        ("{{range .nope}}x{{else}}e{{end}}", "e"),
        ("{{range $.nope}}x{{end}}z", "z"),
        ("{{range .m}}{{break}}{{end}}ok", "ok"),
        ("{{- 3 -}}", "3"),
        ("{{ '\\xff' }}", "255"),
        ("{{ '\\''}}", "39"),
        ("{{ '\"' }}", "34"),
        ("{{ 1.5e3 }}", "1500"),
        ("{{ 00 }}", "0"),
        ("{{ 0_7 }}", "7"),
        ("{{ 1_0.5 }}", "10.5"),
        ("{{ 089.5 }}", "89.5"),
        ("{{ 1e5 }}", "100000"),
        ("{{.s\n}}", "héllo <b>&'\""),
        ("{{/*a*/ -}} b", "b"),
        ("{{- /*a*/}}", ""),
        ("{{ not .t | not }}", "true"),
    ],
)
def test_odd_but_right(template: str, text: str) -> None:
    """Corners of the grammar."""
    assert parse(template).render(VALUES) == text
