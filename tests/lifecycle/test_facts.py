"""What a server shows, and how that differs from what was wanted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero import ShowResponse
from arriero.lifecycle.facts import (
    Facts,
    Shape,
    differences,
    facts_of,
    parameters_of,
    same_value,
    shape_of,
    text_digest,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SHOWN = ShowResponse(
    modelfile=f"# Modelfile\n\nFROM /m/blobs/sha256-{'a' * 64}\nADAPTER C:\\b\\sha256-{'b' * 64}\n"
    f'TEMPLATE "\nFROM /m/blobs/sha256-{"c" * 64}"\n',
    parameters='stop                           "<|end|>"\nstop                           "b"\n'
    "temperature                    0.2\nuse_mmap                       true",
    template="{{ .Prompt }}",
    system="You help.",
)


def test_what_is_shown_is_read() -> None:
    """Files by their digests, wherever the server keeps them; a template's text is no file."""
    facts = facts_of(SHOWN)
    assert (facts.weights, facts.adapters) == ((A,), (B,))
    assert facts.parameters == {"stop": ["<|end|>", "b"], "temperature": 0.2, "use_mmap": True}
    assert facts.system == text_digest("You help.")


def test_nothing_shown_is_nothing_known() -> None:
    """A stub has neither files nor metadata."""
    assert facts_of(ShowResponse()) == Facts()


VALUES = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1),
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), VALUES))
def test_parameters_are_read_as_they_are_printed(given: dict[str, Any]) -> None:
    """Whatever the order of the lines."""
    lines = [f"{name:<30} {json.dumps(value)}" for name, value in given.items()]
    found = parameters_of("\n".join(reversed(lines)))
    assert found.keys() == given.keys()
    assert all(same_value(found[name], value) for name, value in given.items())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (1, 1.0, True),
        (0.1, 0.10000000149, True),
        (True, 1, False),
        ("a", ["a"], True),
        (["a", "b"], ["b", "a"], False),
        (None, 0, False),
    ],
)
def test_values_are_compared_by_meaning(first: Any, second: Any, *, same: bool) -> None:
    """A server prints numbers in its own way."""
    assert same_value(first, second) is same


def test_every_difference_is_said() -> None:
    """In words for a plan."""
    expected = Facts(
        weights=(B,),
        adapters=(),
        parameters={"temperature": 0.7, "seed": 1},
        template=text_digest("other"),
        system=text_digest("other"),
    )
    assert differences(expected, facts_of(SHOWN)) == (
        "weights aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "adapters bbbbbbbbbbbb -> none",
        "parameters.temperature 0.2 -> 0.7",
        "parameters.seed unset -> 1",
        "template",
        "system",
    )


def test_a_template_may_be_in_the_modelfile_alone() -> None:
    """A server shows that of the weights where it can do more."""
    shown = ShowResponse(modelfile="FROM x\nTEMPLATE {{ .Mine }}\n", template="{% jinja %}")
    expected = Facts(template=text_digest("{{ .Mine }}"))
    assert differences(expected, facts_of(shown), shown, "{{ .Mine }}") == ()
    assert differences(expected, facts_of(shown), shown, "{{ .Yours }}") == ("template",)


def test_the_shape_is_read_from_the_metadata() -> None:
    """Lengths that are not written follow from the others; a list counts as its largest."""
    info = {
        "general.architecture": "llama",
        "llama.block_count": 28,
        "llama.attention.head_count": 24,
        "llama.attention.head_count_kv": [8, 4, None],
        "llama.embedding_length": 3072,
        "llama.context_length": 131072,
    }
    assert shape_of(info) == Shape(28, 8, 128, 128, 131072)
    assert shape_of({}) == Shape()
