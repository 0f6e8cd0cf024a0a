"""Write the sync façade from the async one.

    python tools/unasync.py            write
    python tools/unasync.py --check    fail if what is there differs

Only words are replaced. What needs a decision on colour belongs in `arriero/_drive`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/arriero/_async/client.py"
TARGET = ROOT / "src/arriero/_sync/client.py"

RULES = {
    "AsyncBase": "SyncBase",
    "AsyncClient": "Client",
    "AsyncStream": "Stream",
    "_drive.tasks": "_drive.threads",
}
DROP = re.compile(r"\b(?:async|await) ")
NAME = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in RULES))
HEADER = "# Generated from arriero/_async/client.py by tools/unasync.py: edit that file.\n"


def converted(source: str) -> str:
    """Give the sync text of an async module, formatted.

    Raises:
        SystemExit: a rule was not needed, so it should go.
    """
    unused = set(RULES) - set(NAME.findall(source))
    if unused:
        raise SystemExit(f"tools/unasync.py: unused rules {sorted(unused)}")
    text = HEADER + NAME.sub(lambda found: RULES[found[0]], DROP.sub("", source))
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        made = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        text = made.stdout
    return text


def main() -> int:
    """Write or check; 1 if the check fails."""
    text = converted(SOURCE.read_text())
    if "--check" not in sys.argv:
        TARGET.write_text(text)
        return 0
    if TARGET.read_text() == text:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is out of date: run 'make gen'", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
