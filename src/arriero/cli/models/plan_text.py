"""A plan in words: what would be done on each host, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from arriero.cli.amounts import bytes_of

if TYPE_CHECKING:
    from arriero.lifecycle import Plan, Step


def sign_of(step: Step) -> str:
    """Give ``+`` for a new model, ``~`` for a changed one, ``!`` for a refusal, or a blank."""
    if step.action == "refuse":
        return "!"
    if step.action == "remove":
        return "-"
    if not step.changes:
        return " "
    return "~" if step.before else "+"


def plan_lines(plan: Plan) -> Iterable[str]:
    """Give the lines of a plan."""
    width = max((len(step.model) for step in plan.steps), default=0)
    for host in plan.hosts:
        yield host
        for change in plan.unfinished:
            if change.host == host:
                yield f"  ? {change.model:<{width}}  entry {change.id} was broken off: ended first"
        for step in plan.on(host):
            yield _line(step, width)
            for check in step.checks if step.changes or step.action == "refuse" else ():
                yield f"        {check.what}: {check.verdict} ({check.arithmetic})"
        yield ""
    yield summary(plan)


def _line(step: Step, width: int) -> str:
    words = [f"  {sign_of(step)} {step.model:<{width}}  {step.action:<6}"]
    if step.action == "pull":
        words.append(bytes_of(step.download_bytes) if step.download_bytes is not None else "? B")
    if step.source and step.source != step.model and step.action in ("pull", "create", "switch"):
        words.append(f"from {step.source}")
    if step.reasons:
        words.append("; ".join(step.reasons))
    return "  ".join(words).rstrip()


def summary(plan: Plan) -> str:
    """Give the last line: how much of what."""
    signs = [sign_of(step) for step in plan.steps]
    if plan.is_empty:
        if len(signs) == 1:
            return "Nothing to do: 1 model is as it is locked."
        return f"Nothing to do: {len(signs)} models are as they are locked."
    counts = (
        f"{signs.count('+')} to add, {signs.count('~')} to change, {signs.count(' ')} unchanged"
    )
    if refused := signs.count("!"):
        counts += f", {refused} refused"
    download = sum(step.download_bytes or 0 for step in plan.changes)
    return f"Plan: {counts}. {bytes_of(download)} to download."


def plan_record(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON has it."""
    return {
        "is_empty": plan.is_empty,
        "steps": [
            {
                "host": step.host,
                "model": step.model,
                "action": step.action,
                "before": step.before,
                "wanted": step.wanted,
                "source": step.source,
                "reasons": list(step.reasons),
                "download_bytes": step.download_bytes,
                "checks": [
                    {"what": one.what, "verdict": one.verdict, "arithmetic": one.arithmetic}
                    for one in step.checks
                ],
            }
            for step in plan.steps
        ],
        "unfinished": [change.id for change in plan.unfinished],
    }
