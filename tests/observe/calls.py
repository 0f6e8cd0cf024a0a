"""Ends of calls, as clients tell of them, and audit logs of such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arriero import AuditLog
from arriero._core.events import CallEnded
from arriero.observe.verify import audit_records
from arriero.settings import CallPolicy
from arriero.types.chat import ChatResponse


def ended(id: int = 1, **changes: Any) -> CallEnded:
    """Give the end of a chat that went well."""
    fields: dict[str, Any] = {
        "id": id,
        "call": "POST /api/chat",
        "host": "http://server:11434",
        "model": "m",
        "is_stream": False,
        "policy": CallPolicy(tenant="t", actor="ann", metadata={"ticket": 7}),
        "outcome": "ok",
        "error": None,
        "response": ChatResponse(
            model="m",
            message={"role": "assistant", "content": "an answer"},
            prompt_eval_count=3,
            eval_count=5,
            load_duration=2_000_000,
        ),
        "tries": 1,
        "sends": 1,
        "queued_s": 0.0,
        "paced_s": 0.0,
        "first_record_s": None,
        "spent_s": 0.25,
        "records": 0,
        "trail": (),
        "body": {
            "model": "m",
            "messages": [{"role": "user", "content": "a question"}],
            "options": {"seed": 1},
        },
        "digest": "sha256:ab",
        "digest_age_s": 1.5,
    }
    return CallEnded(**{**fields, **changes})


def written(path: Path, count: int, **arguments: Any) -> None:
    """Write some calls."""
    with AuditLog(path, **arguments) as log:
        for number in range(count):
            log.write(ended(number))


def calls_in(path: Path) -> list[int]:
    """Give the numbers of the calls in a log."""
    return [one["id"] for one in audit_records(path) if one["kind"] == "call"]


def everything(path: Path) -> list[Path]:
    """Give all files of a log."""
    return sorted(path.parent.iterdir())
