"""How values are printed.

The expected texts are the answers of Go's own text/template.
"""

from __future__ import annotations

import pytest

from arriero.server.gotemplate import parse

from .values import VALUES


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{print 1 2 "a" 3 4}}', "1 2a3 4"),
        ('{{print "a" "b"}}', "ab"),
        ('{{println 1 "a"}}', "1 a\n"),
        ("{{print}}", ""),
        ("{{print nil}}", "<nil>"),
        ("{{print .l .m}}", "[a b 3 <nil> true [1 2]] map[a:x inner:map[k:v] n:<nil> z:1]"),
        ('{{printf "%d %s" "a" 1}}', "%!d(string=a) %!s(int=1)"),
        ('{{printf "%d"}}', "%!d(MISSING)"),
        ('{{printf "%d" 1 2}}', "1%!(EXTRA int=2)"),
        ('{{printf "%!"}}', "%!!(MISSING)"),
        ('{{printf "%"}}', "%!(NOVERB)"),
        ('{{printf "%z" 1}}', "%!z(int=1)"),
        ('{{printf "%[2]d %[1]d" 1 2}}', "2 1"),
        ('{{printf "%[3]d" 1}}', "%!d(BADINDEX)"),
        ('{{printf "%[x]d" 1}}', "%!d(BADINDEX)"),
        ('{{printf "%*d|%-*d|%.*f" 5 1 5 2 2 3.14159}}', "    1|2    |3.14"),
        ('{{printf "%6.2f|%e|%g|%v" 3.14159 1.0 1e6 1e21}}', "  3.14|1.000000e+00|1e+06|1e+21"),
        ('{{printf "%#v %#v %#v" "a" 1 true}}', '"a" 1 true'),
        ('{{printf "%T %T %T %T" 1 1.5 "a" true}}', "int float64 string bool"),
        ('{{printf "%T" nil}}', "<nil>"),
        ('{{printf "%t" 1}}', "%!t(int=1)"),
        ('{{printf "%s" nil}}', "%!s(<nil>)"),
        ('{{printf "%v" nil}}', "<nil>"),
        ('{{printf "%d" nil}}', "%!d(<nil>)"),
        (
            '{{printf "%s" .l}}',
            "[a b %!s(float64=3) <nil> %!s(bool=true) [%!s(float64=1) %!s(float64=2)]]",
        ),
        ('{{"abc" | printf "%s-%s" "x"}}', "x-abc"),
        ("{{1 | print}}", "1"),
        ("{{ (1) }}|{{ ((print 1 2)) }}", "1|1 2"),
        ('{{ printf "%s" (printf "%d" 1) }}', "1"),
        ("{{ print (len .l) 1 }}", "6 1"),
        ('{{ printf "%v" (index .l 5) }}', "[1 2]"),
        ('{{ printf "%5t|%-7t|%v" true false true }}', " true|false  |true"),
        (
            '{{ printf "%5v|%-5v|%05v" .l "a" 7 }}',
            "[    a     b     3 <nil>  true [    1     2]]|a    |00007",
        ),
        (
            '{{ printf "%08.3f|%+.2e|% d|%x" 3.14159 12345.678 5 -255 }}',
            "0003.142|+1.23e+04| 5|-ff",
        ),
        ('{{ printf "%.0f %.3d %3c|%-3c|%03s" 2.5 7 65 66 "a" }}', "2 007   A|B  |00a"),
        ('{{ printf "%[1]v %[1]T %v" 1 2 }}', "1 int 2"),
        ('{{ printf "%.[2]*[1]f" 3.14159 2 }}', "3.14"),
        ("{{ println }}", "\n"),
        ('{{ print "a" 1 2 "b" true false nil }}', "a1 2btrue false <nil>"),
        (
            '{{printf "%v %+v" .m .m}}',
            "map[a:x inner:map[k:v] n:<nil> z:1] map[a:x inner:map[k:v] n:<nil> z:1]",
        ),
        ('{{printf "%T" .m}}', "map[string]interface {}"),
        ('{{printf "%#v" .em}}', "map[string]interface {}{}"),
        ('{{printf "%d|%5d|%-5d|" 1 2 3}}', "1|    2|3    |"),
        ('{{printf "%05d|%+d|%q" 4 5 "x\\""}}', '00004|+5|"x\\""'),
        ('{{printf "%x|%X|% x|%#x" 255 255 "abc" 255}}', "ff|FF|61 62 63|0xff"),
        (
            '{{printf "%o|%b|%c|%U|%#U|%q|%O" 8 5 65 65 65 65 8}}',
            "10|101|A|U+0041|U+0041 'A'|'A'|0o10",
        ),
        ('{{printf "%10s|%-10s|%.2s" "é" "é" "éàü"}}', "         é|é         |éà"),
        ('{{printf "%q|%#q|%+q" "é" "abc" "é"}}', '"é"|`abc`|"\\u00e9"'),
        ('{{printf "%x %X % x" 5.5 -1.25 1.0}}', "0x1.6p+02 -0X1.4P+00  0x1p+00"),
        ('{{printf "%U" -1}}', "U+FFFFFFFFFFFFFFFF"),
        (
            '{{printf "%#v" .l}}',
            '[]interface {}{"a", "b", 3, interface {}(nil), true, []interface {}{1, 2}}',
        ),
        ('{{printf "%-010d|" 5}}', "5         |"),
        ('{{printf "%T %c %q" (index "a" 0) (index "a" 0) (index "a" 0)}}', "uint8 a 'a'"),
    ],
)
def test_values_are_printed_as_go_prints_them(template: str, text: str) -> None:
    """`print`, `println` and `printf` with their verbs, flags and complaints."""
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{printf "%*d" "a" 1}}', "%!(BADWIDTH)1"),
        ('{{printf "%.*f|" "a" 1.5}}', "%!(BADPREC)1.500000|"),
        ('{{printf "%.*f|" -1 1.5}}', "%!(BADPREC)1.500000|"),
        ('{{printf "%[1" 1}}', "%!(NOVERB)"),
        ('{{printf "%[1]*d" 5 6}}', "    6"),
        ('{{printf "%[1]5d" 7}}', "%!d(BADINDEX)"),
        ('{{printf "%[1].2f" 1.5}}', "%!f(BADINDEX)"),
        ('{{printf "%.[1]d" 3}}', "3"),
        ('{{printf "%*d" -5 1}}|', "1    |"),
        ('{{printf "%d" nil}}', "%!d(<nil>)"),
        ('{{printf "%d %d" 1 nil nil}}', "1 %!d(<nil>)%!(EXTRA <nil>)"),
        ('{{printf "%.99999999999d" 1}}', "%!(NOVERB)%!(EXTRA int=1)"),
        ('{{printf "%e" .t}}', "%!e(bool=true)"),
        ('{{printf "%x" .t}}', "%!x(bool=true)"),
        ('{{printf "%T %v" .el .el}}', "[]interface {} []"),
        (
            '{{printf "%#v %#v" .nil .l}}',
            '<nil> []interface {}{"a", "b", 3, interface {}(nil), true, []interface {}{1, 2}}',
        ),
        ('{{printf "%#o %#b %#o" 8 5 0}}', "010 0b101 0"),
        ('{{printf "%.0d|" 0}}', "|"),
        ('{{printf "%+v" 1.0}}', "1"),
        ('{{printf "% f" 1.0}}', " 1.000000"),
        ('{{printf "%+q" "\\U0001F600"}}', '"\\U0001f600"'),
        ('{{printf "%+q" "\\x01\\xff"}}', '"\\x01\\xff"'),
        ('{{printf "%q" "\\a\\v"}}', '"\\a\\v"'),
        ('{{printf "%X" 3.0}}', "0X1.8P+01"),
        ('{{printf "%#q" "a`b"}}', '"a`b"'),
        ('{{printf "%s" .m}}', "map[a:x inner:map[k:v] n:<nil> z:%!s(float64=1)]"),
        ("{{print .t .n}}", "true 5"),
        ('{{printf (print "%d") 1}}', "1"),
        ('{{"%d" | printf}}', "%!d(MISSING)"),
        ('{{1 | printf "%d"}}', "1"),
        ('{{ 1e3 | printf "%T" }}', "float64"),
        ("{{.s|print}}", "héllo <b>&'\""),
        ("{{print 1|print}}", "1"),
    ],
)
def test_odd_formats(template: str, text: str) -> None:
    """Widths from arguments, indexes, and what does not fit."""
    assert parse(template).render(VALUES) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "+Inf|+Inf| Inf|  +Inf"),
        (float("-inf"), "-Inf|-Inf|-Inf|  -Inf"),
        (float("nan"), "NaN|+NaN| NaN|   NaN"),
        (-0.0, "-0|-0.000000|-0|-00000"),
    ],
)
def test_numbers_that_are_none(value: float, text: str) -> None:
    """They keep their names, and are never filled up with zeros."""
    template = parse('{{ printf "%v|%+f|% v|%06v" .v .v .v .v }}')
    assert template.render({"v": value}) == text
