"""Model names: grammar, rendering, source suffixes."""

from __future__ import annotations

import pytest

from arriero.names import (
    ConflictingSource,
    InvalidName,
    ModelName,
    parse_name,
    split_source,
)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("mini", "registry.ollama.ai/library/mini:latest"),
        ("mini:q4", "registry.ollama.ai/library/mini:q4"),
        ("me/mini", "registry.ollama.ai/me/mini:latest"),
        ("host.com/me/mini:1.5", "host.com/me/mini:1.5"),
        ("localhost:5000/me/mini", "localhost:5000/me/mini:latest"),
        ("https://host.com/me/mini", "host.com/me/mini:latest"),
        ("_m.x-1:_t", "registry.ollama.ai/library/_m.x-1:_t"),
        ("UPPER", "registry.ollama.ai/library/UPPER:latest"),
    ],
)
def test_missing_parts_have_defaults(text: str, full: str) -> None:
    """Host, namespace and tag may be left out; case is kept."""
    assert parse_name(text).full == full


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "m:", ":t", "/m", "a//m", "m/", "a b", "m@sha256:00", "host.com/m",
        "localhost:5000/m", "a/b/c/d", "-m", ".m", "m:-t", "é", "m" * 81, "m:" + "t" * 81,
        "m\n",
    ],
)  # fmt: skip
def test_a_malformed_name_is_refused(text: str) -> None:
    """An empty part, a foreign character or too many slashes make a name invalid."""
    with pytest.raises(InvalidName):
        parse_name(text)


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("mini", "mini:latest"),
        ("library/mini:q4", "mini:q4"),
        ("me/mini", "me/mini:latest"),
        ("host.com/library/mini", "host.com/library/mini:latest"),
    ],
)
def test_the_shortest_form_keeps_the_tag(text: str, shortest: str) -> None:
    """Parts with their default go, the tag never does."""
    assert parse_name(text).shortest == shortest


def test_names_that_differ_in_case_fold_alike() -> None:
    """Lookup minds no case."""
    assert parse_name("MINI:Q4").folded == parse_name("mini:q4").folded
    assert parse_name("MINI") != ModelName("registry.ollama.ai", "library", "mini", "latest")


@pytest.mark.parametrize(
    ("text", "base", "source"),
    [
        ("gpt-oss:20b:cloud", "gpt-oss:20b", "cloud"),
        ("gpt-oss:20b-cloud", "gpt-oss:20b", "cloud"),
        ("qwen3:cloud", "qwen3", "cloud"),
        ("qwen3:CLOUD", "qwen3", "cloud"),
        ("qwen3:8b:local", "qwen3:8b", "local"),
        ("my-cloud-model", "my-cloud-model", ""),
        ("my-cloud", "my-cloud", ""),
        ("mini:q4", "mini:q4", ""),
    ],
)
def test_a_source_is_read_from_the_last_part(text: str, base: str, source: str) -> None:
    """Only what follows the last colon names a source."""
    assert split_source(text) == (base, source)


def test_both_sources_at_once_are_refused() -> None:
    """A name cannot be local and in the cloud."""
    with pytest.raises(ConflictingSource, match='use either :local or :cloud, not both: "foo:'):
        split_source("foo:cloud:local")
