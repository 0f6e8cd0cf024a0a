"""`docs/cli.md` is what the commands say of themselves."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_up_to_date() -> None:
    """Help that changed is in the page too: `make gen` writes it."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools/cli_docs.py", "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
