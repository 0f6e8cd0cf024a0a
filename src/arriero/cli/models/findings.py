"""What `verify` found, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arriero.lifecycle import Finding


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Give the lines of findings, host by host."""
    width = max((len(one.model) for one in findings), default=0)
    host = ""
    for one in findings:
        if one.host != host:
            yield one.host
        host = one.host
        verdict = "ok" if one.ok else f"{one.check}: {one.reason}"
        yield f"  {' ' if one.ok else '!'} {one.model:<{width}}  {verdict}"
        if one.checked:
            yield f"        checked: {', '.join(one.checked)}"
        for each in one.unchecked:
            yield f"        not checked: {each}"
