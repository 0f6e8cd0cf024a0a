"""Parse a template and render it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from .analysis import fields_in, tags_around_thinking
from .errors import TemplateError
from .execution import Execution, Limits
from .functions import FUNCTIONS, Context
from .gotext import whole_text
from .nodes import Tree
from .parser import parse_tree

DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. Make one with `parse`; it may be used from several threads at once.

    Attributes:
        tree: Its parts.
        fields: Names it mentions, in lower case.
    """

    tree: Tree
    fields: frozenset[str]

    def render(
        self,
        values: Mapping[str, object],
        *,
        limits: Limits = DEFAULT_LIMITS,
        today: Callable[[], date] = date.today,
    ) -> str:
        """Fill the template in.

        Args:
            values: What ``.`` is: None, bools, numbers, texts, lists and mappings of these,
                and the classes of `values`.
            limits: How much it may take.
            today: Gives the date for `currentDate`.

        Raises:
            TemplateError: it cannot be rendered, or takes more than the limits.
        """
        return render_tree(self.tree, values, limits=limits, today=today)


def parse(text: str) -> Template:
    """Parse a template. Raises `TemplateError` with Go's message."""
    tree = parse_tree(text, FUNCTIONS)
    return Template(tree, fields_in(tree))


def fields_of(template: Template) -> frozenset[str]:
    """Give the names a template mentions, in lower case.

    Ollama derives capabilities from them: ``tools`` from "tools", ``insert`` from "suffix"; and
    a template without "messages" is rendered turn by turn.
    """
    return template.fields


def thinking_tags(template: Template) -> tuple[str, str]:
    """Give the tags around ``.Thinking`` in the messages, such as ``("<think>", "</think>")``.

    A template that shows both makes a model `thinking`; ("", "") if it shows none.
    """
    return tags_around_thinking(template.tree)


def render_tree(
    tree: Tree,
    values: Mapping[str, object],
    *,
    limits: Limits = DEFAULT_LIMITS,
    today: Callable[[], date] = date.today,
) -> str:
    """Fill a parsed template in. See `Template.render`."""
    execution = Execution(tree, Context(today, limits.output_chars), limits)
    try:
        return whole_text(execution.run(values))
    except RecursionError as cause:
        raise TemplateError("template: values lie too deep in each other") from cause
