"""What an answer cost, by the server's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arriero import ChatResponse


def statistics_of(answer: ChatResponse) -> str:
    """Give tokens, rates and times of an answer on one line."""
    parts = [
        _rate("prompt", answer.prompt_eval_count, answer.prompt_eval_duration),
        _rate("answer", answer.eval_count, answer.eval_duration),
        _seconds("load", answer.load_duration),
        _seconds("in all", answer.total_duration),
    ]
    return "; ".join(part for part in parts if part) or "The server gave no numbers."


def _rate(what: str, tokens: int | None, duration_ns: int | None) -> str:
    if not tokens:
        return ""
    rate = f" ({tokens / duration_ns * 1e9:.1f}/s)" if duration_ns else ""
    return f"{what} {tokens} tokens{rate}"


def _seconds(what: str, duration_ns: int | None) -> str:
    """Give seconds; a model that is loaded already took none worth a word."""
    return f"{what} {duration_ns / 1e9:.2f} s" if duration_ns and duration_ns >= 5e6 else ""
