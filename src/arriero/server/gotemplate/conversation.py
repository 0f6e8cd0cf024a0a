"""Render a conversation with a template, as Ollama does.

Source: Ollama v0.33.0-rc2, template/template.go Execute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from .analysis import up_to_response, with_response
from .errors import TemplateError
from .execution import Limits
from .model import go_messages, go_tools
from .template import DEFAULT_LIMITS, Template, render_tree
from .turns import Turn, collated


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether the model shall think: what ``.Think``, ``.ThinkLevel``, ``.IsThinkSet`` are.

    Attributes:
        wish: True, False, a level such as "low", or None if nobody said.
    """

    wish: bool | str | None = None

    def values(self) -> dict[str, object]:
        """Give the three fields."""
        level = "medium" if self.wish is True else self.wish or ""
        return {"Think": bool(self.wish), "ThinkLevel": level, "IsThinkSet": self.wish is not None}


def prompt_from(
    template: Template,
    messages: Sequence[Turn],
    tools: Sequence[Mapping[str, object]] = (),
    *,
    think: bool | str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    today: Callable[[], date] = date.today,
) -> str:
    """Make the prompt for a conversation.

    Neighbouring messages of one role are merged. A template that mentions ``.Messages`` gets
    them all at once; another one is rendered once per turn with ``.System``, ``.Prompt`` and
    ``.Response``, the last time only up to ``.Response``.

    Args:
        template: The template.
        messages: The conversation, oldest first.
        tools: Functions on offer, in the form of a chat request. Old templates do not get them.
        think: True, False, a level such as "low", or None if nobody said.
        limits: How much a rendering may take.
        today: Gives the date for `currentDate`.

    Raises:
        TemplateError: the template cannot be rendered.
    """
    system, turns = collated(messages)
    thinking = Thinking(think).values()
    tree = with_response(template.tree, template.fields)
    if "messages" in template.fields:
        values = _all_at_once(system, turns, tools)
        return render_tree(tree, values | thinking, limits=limits, today=today)
    rounds = _rounds(turns)
    texts = [
        render_tree(tree, values | thinking, limits=limits, today=today) for values in rounds[:-1]
    ]
    last = up_to_response(tree)
    texts.append(render_tree(last, rounds[-1] | thinking, limits=limits, today=today))
    return "".join(texts)


def _all_at_once(
    system: str, turns: Sequence[Turn], tools: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    try:
        messages, functions = go_messages(turns), go_tools(tools)
    except RecursionError as cause:
        raise TemplateError("template: values lie too deep in each other") from cause
    return {"System": system, "Messages": messages, "Tools": functions, "Response": ""}


def _rounds(turns: Sequence[Turn]) -> list[dict[str, object]]:
    """Sort messages into rounds of system text, question and answer; the last may lack any.

    Messages of other roles are left out.
    """
    rounds = [{"System": "", "Prompt": "", "Response": ""}]
    for turn in turns:
        now = rounds[-1]
        match turn.role:
            case "system":
                key, begins = "System", bool(now["Prompt"] or now["Response"])
            case "user":
                key, begins = "Prompt", bool(now["Response"])
            case "assistant":
                key, begins = "Response", False
            case _:
                continue
        if begins:
            now = {"System": "", "Prompt": "", "Response": ""}
            rounds.append(now)
        now[key] = turn.content
    return [dict[str, object](one) for one in rounds]


def infill_prompt_from(
    template: Template,
    prompt: str,
    suffix: str,
    *,
    think: bool | str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    today: Callable[[], date] = date.today,
) -> str:
    """Make the prompt for a gap between two texts; `fields_of` has "suffix" if that works.

    Args:
        template: The template.
        prompt: Text before the gap.
        suffix: Text after it.
        think: As for `prompt_from`.
        limits: How much a rendering may take.
        today: Gives the date for `currentDate`.

    Raises:
        TemplateError: the template cannot be rendered.
    """
    values: dict[str, object] = {"Prompt": prompt, "Suffix": suffix, "Response": ""}
    tree = with_response(template.tree, template.fields)
    return render_tree(tree, values | Thinking(think).values(), limits=limits, today=today)
