"""Programs that some tests need and that do not come from a package index."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str, package: str = "") -> str:
    """Give the path of a program; without it skip the test, or fail it where CI runs.

    Args:
        name: The program.
        package: Debian's package that has it; "" if it is called the same.
    """
    path = shutil.which(name)
    if path is None:
        text = f"needs {name}: apt-get install {package or name}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return path
