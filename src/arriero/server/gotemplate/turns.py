"""The messages a prompt is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a function in an assistant's message."""

    name: str
    arguments: Mapping[str, object] | None = None
    id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, as the chat request has it.

    Attributes:
        role: ``system``, ``user``, ``assistant``, ``tool`` or any other.
        tool_name: Name of the function a message of role ``tool`` answers for.
    """

    role: str
    content: str = ""
    thinking: str = ""
    images: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()
    tool_name: str = ""
    tool_call_id: str = ""


def collated(turns: Sequence[Turn]) -> tuple[str, list[Turn]]:
    """Join what belongs together.

    Returns:
        All texts of role ``system``, and the messages with neighbours of one role merged: the
        texts joined by a blank line, everything else from the first. Results of tools are
        never merged.

    Source: Ollama v0.33.0-rc2, template/template.go collate.
    """
    merged: list[Turn] = []
    for turn in turns:
        before = merged[-1] if merged else None
        if before is not None and before.role == turn.role and turn.role != "tool":
            merged[-1] = replace(before, content=f"{before.content}\n\n{turn.content}")
        else:
            merged.append(turn)
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    return system, merged
