"""What is wrong with a template, in Go's words.

The expected texts are the answers of Go's own text/template.
"""

from __future__ import annotations

import pytest

from arriero.server.gotemplate import TemplateError, parse

from .values import VALUES


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{print 1 | 2}}", "template: :1: non executable command in pipeline stage 2"),
        ('{{"a".x}}', 'template: :1: unexpected . after term "\\"a\\""'),
        ("{{1.x}}", 'template: :1: bad number syntax: "1.x"'),
        ("{{true.x}}", 'template: :1: unexpected . after term "true"'),
        ("{{foo}}", 'template: :1: function "foo" not defined'),
        ("{{foo .s}}", 'template: :1: function "foo" not defined'),
        ("{{.s | foo}}", 'template: :1: function "foo" not defined'),
        ("{{ .Prompt", "template: :1: unclosed action"),
        ("{{ .Prompt }", 'template: :1: unexpected "}" in operand'),
        ("{{ .Prompt}", "template: :1: bad character U+007D '}'"),
        ('{{ "abc', "template: :1: unterminated quoted string"),
        ('{{ "abc }}', "template: :1: unterminated quoted string"),
        ("{{ 'a }}", "template: :1: unterminated character constant"),
        ("{{ `abc }}", "template: :1: unterminated raw quoted string"),
        ("{{ 'ab' }}", "template: :1: malformed character constant: 'ab'"),
        ('{{ "\\q" }}', "template: :1: invalid syntax"),
        ("{{/* unclosed", "template: :1: unclosed comment"),
        ("{{/* x */ y}}", "template: :1: comment ends before closing delimiter"),
        ("{{ ( 1 }}", "template: :1: unclosed left paren"),
        ("{{ () }}", "template: :1: missing value for parenthesized pipeline"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{ }}", "template: :1: missing value for command"),
        ("{{ | }}", 'template: :1: unexpected "|" in command'),
        ("{{ | 1 }}", 'template: :1: unexpected "|" in command'),
        ("{{ $x }}", 'template: :1: undefined variable "$x"'),
        ("{{ $x := }}", "template: :1: missing value for command"),
        ("{{ $x, $y := 1 }}", "template: :1: too many declarations in command"),
        ("{{range $x, $y, $z := .l}}{{end}}", "template: :1: too many declarations in range"),
        ("{{range $x, 1 := .l}}{{end}}", "template: :1: range can only initialize variables"),
        ("{{range}}{{end}}", "template: :1: missing value for range"),
        ("{{if}}{{end}}", "template: :1: missing value for if"),
        ("{{with}}{{end}}", "template: :1: missing value for with"),
        ("{{if .n}}", "template: :1: unexpected EOF"),
        ("{{if .n}}x{{else}}y{{else}}z{{end}}", "template: :1: expected end; found {{else}}"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{continue}}", "template: :1: {{continue}} outside {{range}}"),
        ("{{range .l}}{{break 1}}{{end}}", 'template: :1: unexpected "1" in {{break}}'),
        ("{{end .x}}", 'template: :1: unexpected ".x" in end'),
        ("{{if .n}}{{end x}}", 'template: :1: unexpected "x" in end'),
        ("{{else if}}", "template: :1: unexpected {{else}}"),
        ("{{define}}{{end}}", 'template: :1: unexpected "}}" in define clause'),
        ('{{define "a"}}', "template: :1: unexpected EOF"),
        ('{{define "a"}}x{{else}}y{{end}}', "template: :1: unexpected {{else}} in define clause"),
        (
            '{{define "a"}}x{{end}}{{define "a"}}y{{end}}',
            'template: :1: template: multiple definition of template "a"',
        ),
        ('{{define "a" .x}}x{{end}}', 'template: :1: unexpected ".x" in define clause'),
        ('{{if .n}}{{define "a"}}x{{end}}{{end}}', "template: :1: unexpected <define> in command"),
        ("{{template}}", 'template: :1: unexpected "}}" in template clause'),
        ("{{template .x}}", 'template: :1: unexpected ".x" in template clause'),
        ('{{template "q"}}', "undefined template specified"),
        ('{{block "b"}}x{{end}}', "template: :1: missing value for block clause"),
        ("{{block}}{{end}}", 'template: :1: unexpected "}}" in block clause'),
        ("{{ 089 }}", 'template: :1: integer overflow: "089"'),
        ("{{ 1e400 }}", 'template: :1: illegal number syntax: "1e400"'),
        ("{{ 0x }}", 'template: :1: illegal number syntax: "0x"'),
        ("{{ 1a }}", 'template: :1: bad number syntax: "1a"'),
        ("{{ .a! }}", "template: :1: bad character U+0021 '!'"),
        ("{{ a! }}", "template: :1: bad character U+0021 '!'"),
        ("{{ , }}", 'template: :1: unexpected "," in command'),
        ("{{ # }}", 'template: :1: unexpected "#" in command'),
        ("{{ @ }}", 'template: :1: unexpected "@" in command'),
        ("{{ é }}", 'template: :1: function "é" not defined'),
        ("{{ “x” }}", "template: :1: unrecognized character in action: U+201C '“'"),
        ("{{ : }}", "template: :1: expected :="),
        ("{{ := }}", 'template: :1: unexpected ":=" in command'),
        ("{{ = }}", 'template: :1: unexpected "=" in command'),
        ("{{ .s.  }}", "template: :1: unexpected <.> in operand"),
        ("{{ ..s }}", 'template: :1: unexpected . after term "."'),
        ("{{-.n-}}", 'template: :1: bad number syntax: "-.n"'),
        ("x {{--}}", 'template: :1: bad number syntax: "--"'),
        ("{{ range .l }}{{ end }", 'template: :1: unexpected "}" in end'),
        ("{{ if eq .s", "template: :1: unclosed action"),
        ('{{ define "d" }}{{ $x }}{{ end }}', 'template: :1: undefined variable "$x"'),
        ('{{ $x := 1 }}{{ define "d" }}{{ $x }}{{ end }}', 'template: :1: undefined variable "$x"'),
        ("{{ with .nope }}a{{ else if .n }}b{{ end }}", "template: :1: unexpected <if> in input"),
        ("{{break}}{{range .l}}{{end}}", "template: :1: {{break}} outside {{range}}"),
        ("a\n{{ if eq .s\n 1 }}", "template: :3: unexpected EOF"),
        ('{{ printf\n"%d"', "template: :2: unclosed action started at :1"),
        ("a\n{{if .n}}\nb{{", "template: :3: unclosed action"),
        ('a\n{{if .n}}\n{{ "\n', "template: :3: unterminated quoted string"),
        ("{{ .s\n\n", "template: :3: unclosed action started at :1"),
        ("\n{{ (\n", "template: :3: unclosed action started at :2"),
        ('{{"a\r\nb"}}', "template: :1: unterminated quoted string"),
    ],
)
def test_a_template_that_does_not_parse(template: str, text: str) -> None:
    """The line and the reason."""
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{eq .n 5}}", "<eq .n 5>: error calling eq: incompatible types for comparison"),
        ("{{lt 1 2.0}}", "<lt 1 2.0>: error calling lt: incompatible types for comparison"),
        ("{{lt true false}}", "<lt true false>: error calling lt: invalid type for comparison"),
        ("{{lt .l .l}}", "<lt .l .l>: error calling lt: invalid type for comparison"),
        ("{{eq .l 1}}", "<eq .l 1>: error calling eq: incompatible types for comparison"),
        ("{{len .n}}", "<len .n>: error calling len: len of type float64"),
        ("{{len .nil}}", "<len .nil>: error calling len: len of nil pointer"),
        ("{{len .nope}}", "<len .nope>: error calling len: len of nil pointer"),
        ("{{index .l 10}}", "<index .l 10>: error calling index: index out of range: 10"),
        ("{{index .l 6}}", "<index .l 6>: error calling index: reflect: slice index out of range"),
        (
            "{{index .s 13}}",
            "<index .s 13>: error calling index: reflect: string index out of range",
        ),
        (
            '{{index .l "a"}}',
            '<index .l "a">: error calling index: cannot index slice/array with type string',
        ),
        (
            "{{index .m 1}}",
            "<index .m 1>: error calling index: value has type int; should be string",
        ),
        ("{{index .n 1}}", "<index .n 1>: error calling index: can't index item of type float64"),
        ("{{index .nil 1}}", "<index .nil 1>: error calling index: index of untyped nil"),
        ("{{index .l -1}}", "<index .l -1>: error calling index: index out of range: -1"),
        ("{{slice .l 3 1}}", "<slice .l 3 1>: error calling slice: invalid slice index: 3 > 1"),
        (
            "{{slice .l 1 2 3 4}}",
            "<slice .l 1 2 3 4>: error calling slice: too many slice indexes: 4",
        ),
        (
            "{{slice .s 1 2 3}}",
            "<slice .s 1 2 3>: error calling slice: cannot 3-index slice a string",
        ),
        ("{{slice .n 1}}", "<slice .n 1>: error calling slice: can't slice item of type float64"),
        ("{{slice .l 1 99}}", "<slice .l 1 99>: error calling slice: index out of range: 99"),
        ("{{printf 1 2}}", "<1>: expected string; found 1"),
        ("{{printf nil}}", "<nil>: cannot assign nil to string"),
        ("{{printf .n}}", "<.n>: wrong type for value; expected string; got float64"),
        ("{{printf .nope}}", "<.nope>: wrong type for value; expected string; got interface {}"),
        ("{{printf}}", "<printf>: wrong number of args for printf: want at least 1 got 0"),
        ("{{json}}", "<json>: wrong number of args for json: want 1 got 0"),
        ("{{json 1 2}}", "<json>: wrong number of args for json: want 1 got 2"),
        ("{{currentDate 1}}", "<1>: expected string; found 1"),
        ("{{.s.x}}", "<.s.x>: can't evaluate field x in type interface {}"),
        ("{{.nil.x}}", "<.nil.x>: nil pointer evaluating interface {}.x"),
        ("{{.nope.x}}", "<.nope.x>: nil pointer evaluating interface {}.x"),
        ("{{.m.q.r}}", "<.m.q.r>: nil pointer evaluating interface {}.r"),
        ("{{.m.a.b}}", "<.m.a.b>: can't evaluate field b in type interface {}"),
        ("{{.n 1}}", "<.n>: n is not a method but has arguments"),
        ("{{.m.a 1}}", "<.m.a>: a is not a method but has arguments"),
        ("{{1 2}}", "<1>: can't give argument to non-function 1"),
        ("{{nil}}", "<nil>: nil is not a command"),
        ("{{nil | print}}", "<nil>: nil is not a command"),
        ("{{print | .s}}", "<.s>: s is not a method but has arguments"),
        ("{{print 1 | .s}}", "<.s>: s is not a method but has arguments"),
        ("{{.t.x}}", "<.t.x>: can't evaluate field x in type interface {}"),
        ("{{(nil).x}}", "<nil>: nil is not a command"),
        ("{{call .s}}", "<call .s>: error calling call: non-function of type string"),
        ("{{call nil}}", "<call nil>: error calling call: call of nil"),
        ("{{not}}", "<not>: wrong number of args for not: want 1 got 0"),
        ("{{not 1 2}}", "<not>: wrong number of args for not: want 1 got 2"),
        ("{{eq 1}}", "<eq 1>: error calling eq: missing argument for comparison"),
        ("{{eq}}", "<eq>: wrong number of args for eq: want at least 1 got 0"),
        ("{{ne 1}}", "<ne>: wrong number of args for ne: want 2 got 1"),
        ("{{len}}", "<len>: wrong number of args for len: want 1 got 0"),
        ("{{index}}", "<index>: wrong number of args for index: want at least 1 got 0"),
        ("{{ $x = 1 }}", "<1>: undefined variable: $x"),
        ("{{range $i, $x := .n}}{{end}}", "<.n>: range can't iterate over 5"),
        ("{{range .s}}{{end}}", "<.s>: range can't iterate over héllo <b>&'\""),
        ("{{range .t}}{{end}}", "<.t>: range can't iterate over true"),
        ('{{template "q" .}}', '<{{template "q" .}}>: template "q" not defined'),
        ('{{template "q" . | print}}', '<{{template "q" . | print}}>: template "q" not defined'),
        ('{{ .a.b.c | printf "%d" }}', "<.a.b.c>: nil pointer evaluating interface {}.b"),
        ("{{ (print 1).x }}", "<1>: can't evaluate field x in type string"),
        ("{{ or (index .l 99) 1 }}", "<index .l 99>: error calling index: index out of range: 99"),
        ('{{ define "d" }}{{ .x.y }}{{ end }}{{ template "d" .m }}', ""),
        ("é{{ .s.x }}", "<.s.x>: can't evaluate field x in type interface {}"),
        ("é {{ .s.x }}", "<.s.x>: can't evaluate field x in type interface {}"),
    ],
)
def test_a_template_that_does_not_render(template: str, text: str) -> None:
    """What stands at the place, and the reason."""
    parsed = parse(template)
    with pytest.raises(TemplateError) as caught:
        parsed.render(VALUES)
    assert str(caught.value).partition('executing "" at ')[2] == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ .m.a.b }}", "template: :1:5"),
        ("é\n\nüö{{ .m.a.b }}", "template: :3:9"),
        ("{{\n\n.m.a.b\n}}", "template: :3:2"),
        ("{{/*\n\n*/}}{{ .m.a.b }}", "template: :3:9"),
    ],
)
def test_places_are_lines_and_bytes(template: str, text: str) -> None:
    """Lines count from 1; columns are bytes before the last field of the path, from 0."""
    with pytest.raises(TemplateError) as caught:
        parse(template).render(VALUES)
    assert str(caught.value).startswith(f'{text}: executing "" at <.m.a.b>')


def test_the_template_at_fault_is_named() -> None:
    """A defined template has a name; the place is still one in the whole text."""
    with pytest.raises(TemplateError) as caught:
        parse('{{ define "d" }}{{ .x.y }}{{ end }}{{ template "d" .m }}').render(VALUES)
    assert str(caught.value) == (
        'template: :1:21: executing "d" at <.x.y>: nil pointer evaluating interface {}.y'
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 1 ) }}", "template: :1: unexpected right paren"),
        ("{{ if .x }}{{ else with .y }}{{ end }}", "template: :1: unexpected <with> in input"),
        ('{{ template "x" }}', "undefined template specified"),
        ("{{ 1i }}", 'template: :1: complex numbers are not supported: "1i"'),
    ],
)
def test_texts_that_are_newer_or_not_of_go(template: str, text: str) -> None:
    """Texts of later releases, of Ollama, and ours for what is left out."""
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert str(caught.value) == text


def test_a_comparison_of_unlike_values_shows_the_arguments() -> None:
    """Lists have no order and no equality."""
    with pytest.raises(TemplateError, match=r"non-comparable type \[a\]: \[\]interface \{\}"):
        parse("{{ eq .l .l }}").render({"l": ["a"]})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{nil.x}}", 'template: :1: unexpected . after term "nil"'),
        ("{{ 1.5.x }}", 'template: :1: unexpected . after term "1.5"'),
        ('{{ "\\400" }}', "template: :1: invalid syntax"),
        ('{{ "\\ud800" }}', "template: :1: invalid syntax"),
        ('{{ "\\x4" }}', "template: :1: invalid syntax"),
        ("{{ '' }}", "template: :1: invalid syntax"),
        ('{{ "\\\'" }}', "template: :1: invalid syntax"),
        ("{{ 0x }}", 'template: :1: illegal number syntax: "0x"'),
        ("{{ 1e }}", 'template: :1: illegal number syntax: "1e"'),
        ("{{ 1__0 }}", 'template: :1: illegal number syntax: "1__0"'),
        ("{{ 0b2 }}", 'template: :1: bad number syntax: "0b2"'),
        ("{{ 0xfp }}", 'template: :1: illegal number syntax: "0xfp"'),
        ("{{ 1_ }}", 'template: :1: illegal number syntax: "1_"'),
        ("{{ 08 }}", 'template: :1: integer overflow: "08"'),
        ("{{$.}}", "template: :1: unexpected <.> in operand"),
        ("{{/*a*/-}}", "template: :1: comment ends before closing delimiter"),
        ("{{ /*a*/ }}", 'template: :1: unexpected "/" in command'),
        ("{{ print (index .l 0 }}", "template: :1: unclosed left paren"),
    ],
)
def test_more_that_does_not_parse(template: str, text: str) -> None:
    """Literals and terms in wrong places."""
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{lt .s 1}}", "<lt .s 1>: error calling lt: incompatible types for comparison"),
        ("{{lt .nope 1}}", "<lt .nope 1>: error calling lt: invalid type for comparison"),
        ("{{eq .t 1}}", "<eq .t 1>: error calling eq: incompatible types for comparison"),
        ("{{len .t}}", "<len .t>: error calling len: len of type bool"),
        ("{{index nil 1}}", "<index nil 1>: error calling index: index of untyped nil"),
        (
            "{{index .l nil}}",
            "<index .l nil>: error calling index: cannot index slice/array with nil",
        ),
        (
            "{{index .m nil}}",
            "<index .m nil>: error calling index: value is nil; should be of type string",
        ),
        (
            "{{index .m .nope}}",
            "<index .m .nope>: error calling index: value is nil; should be of type string",
        ),
        (
            "{{index .l .nope 1}}",
            "<index .l .nope 1>: error calling index: cannot index slice/array with nil",
        ),
        ("{{index .l 3 1}}", "<index .l 3 1>: error calling index: index of nil pointer"),
        ("{{slice nil}}", "<slice nil>: error calling slice: slice of untyped nil"),
        ("{{slice .l 1 2 9}}", "<slice .l 1 2 9>: error calling slice: index out of range: 9"),
        ("{{slice .l 1 2 1}}", "<slice .l 1 2 1>: error calling slice: invalid slice index: 2 > 1"),
        (
            '{{slice .s "a"}}',
            '<slice .s "a">: error calling slice: cannot index slice/array with type string',
        ),
        ("{{call .nope}}", "<call .nope>: error calling call: call of nil"),
        ("{{call 1 2}}", "<call 1 2>: error calling call: non-function of type int"),
        ("{{.m.a | .s}}", "<.s>: s is not a method but has arguments"),
        ("{{$x := 1}}{{$x 2}}", "<$x>: can't give argument to non-function $x"),
        ("{{$x := .m}}{{$x.a 2}}", "<$x.a>: a is not a method but has arguments"),
        ("{{(print).x}}", "<print>: can't evaluate field x in type string"),
        ("{{print.x}}", "<print>: can't evaluate field x in type string"),
        ("{{.nope.x}}", "<.nope.x>: nil pointer evaluating interface {}.x"),
        ("{{range nil}}{{end}}", "<nil>: nil is not a command"),
        ("{{if nil}}{{end}}", "<nil>: nil is not a command"),
        ("{{.nope | printf}}", "<printf>: invalid value; expected string"),
        ("{{print (nil)}}", "<nil>: nil is not a command"),
        ('{{"a" "b"}}', '<"a">: can\'t give argument to non-function "a"'),
        ("{{true false}}", "<true>: can't give argument to non-function true"),
        ("{{. 1}}", "<.>: can't give argument to non-function ."),
    ],
)
def test_more_that_does_not_render(template: str, text: str) -> None:
    """Nil, wrong kinds, wrong counts."""
    parsed = parse(template)
    with pytest.raises(TemplateError) as caught:
        parsed.render(VALUES)
    assert str(caught.value).partition('executing "" at ')[2] == text
