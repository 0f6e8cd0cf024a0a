"""What an examination ends in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["ok", "note", "warning", "error"]
"""``ok``: as it should be. ``note``: worth knowing. ``warning``: works, but will surprise.
``error``: calls fail, or something secret would be seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """Which: ``host``, ``proxy``, ``credentials``, ``name``, ``connection``, ``tls``,
    ``answer``, ``version``, ``clock``, ``models``, ``memory`` or ``disk``."""
    severity: Severity
    text: str
    """What was found, in one line, without secrets."""
    remedy: str = ""
    """What to do about it; empty if there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `arriero.doctor` found, in the order in which a call would meet it."""

    host: str
    """URL of the server that was examined, without credentials; empty if none could be read."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True if nothing that was found is an error."""
        return not any(one.severity == "error" for one in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return {
            "host": self.host,
            "ok": self.ok,
            "findings": [asdict(one) for one in self.findings],
        }
