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
PACKAGE = ROOT / "src/arriero"
MODULES = {
    **{
        f"_async/{name}.py": f"_sync/{name}.py"
        for name in ("client", "inference", "models", "service")
    },
    "lifecycle/_async.py": "lifecycle/_sync.py",
}
"""What is read, and what is written from it."""

RULES = {
    "AsyncBase": "SyncBase",
    "AsyncClient": "Client",
    "AsyncGenerator": "Generator",
    "AsyncHosts": "Hosts",
    "AsyncProvisioner": "Provisioner",
    "AsyncStream": "Stream",
    "_async": "_sync",
    "asynccontextmanager": "contextmanager",
    "_drive.async_stream": "_drive.stream",
    "_drive.tasks": "_drive.threads",
    "lifecycle._tasks": "lifecycle._threads",
}
DROP = re.compile(r"\b(?:async|await) ")
NAME = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in RULES))
HEADER = "# Generated from arriero/{} by tools/unasync.py: edit that file.\n"


def converted(module: str, used: set[str]) -> str:
    """Give the sync text of an async module, formatted; add to `used` the rules it needed."""
    source = (PACKAGE / module).read_text()
    used.update(NAME.findall(source))
    text = HEADER.format(module) + NAME.sub(lambda found: RULES[found[0]], DROP.sub("", source))
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        made = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                f"--stdin-filename={PACKAGE / MODULES[module]}",
                "-",
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        text = made.stdout
    return text


def main() -> int:
    """Write or check; 1 if the check fails or a rule is needed nowhere."""
    used: set[str] = set()
    texts = {PACKAGE / target: converted(module, used) for module, target in MODULES.items()}
    if unused := set(RULES) - used:
        print(f"tools/unasync.py: unused rules {sorted(unused)}", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        for path, text in texts.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is out of date: run 'make gen'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
