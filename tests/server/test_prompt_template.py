"""Templates a generate request may bring along."""

from __future__ import annotations

import pytest

from arriero.server.prompt_template import TemplateError, UnsupportedTemplate, fill_template


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ .Prompt }}", "P"),
        ("{{.System}}|{{ .Prompt }}", "S|P"),
        ("a {{- .Prompt -}} b", "aPb"),
        ("a {{ .Prompt }}{{ .Response }} end", "a P"),
        ("plain", "plain"),
    ],
)
def test_variables_are_filled_in(template: str, text: str) -> None:
    """Dashes trim white space; the answer goes where .Response stands."""
    assert fill_template(template, "S", "P") == text


def test_an_open_action_is_an_error_in_gos_words() -> None:
    """The text names the line."""
    with pytest.raises(TemplateError) as caught:
        fill_template("one\n{{ .Prompt", "", "P")
    assert str(caught.value) == "template: :2: unclosed action"


def test_anything_else_is_refused_not_rendered_wrongly() -> None:
    """Ranges and conditions are not guessed at."""
    with pytest.raises(UnsupportedTemplate, match="leave template out"):
        fill_template("{{ if .System }}{{ .System }}{{ end }}", "S", "P")
