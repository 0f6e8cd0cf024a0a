"""Write `arriero/__init__.pyi`, what type checkers see of the lazy package.

python tools/stub.py            write
python tools/stub.py --check    fail if what is there differs
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import arriero

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src/arriero/__init__.pyi"
HEADER = "# Generated from arriero/__init__.py by tools/stub.py: edit that file.\n"


def stub() -> str:
    """Give the text of the stub, formatted."""
    lines = [HEADER]
    for place, names in arriero._PLACES.items():
        imported = ", ".join(f"{name} as {name}" for name in names)
        lines.append(f"from {place} import {imported}")
    lines += ["", "__version__: str", "", "_client: Client"]
    lines += [f"{name} = _client.{name}" for name in arriero._FUNCTIONS]
    text = "\n".join(lines) + "\n"
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
    text = stub()
    if "--check" not in sys.argv:
        TARGET.write_text(text)
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is out of date: run 'make gen'", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
