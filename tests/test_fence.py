"""The core decides and never acts: it imports nothing that could."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "arriero"
FENCED = ("_core", "_doctor/rules", "schema", "types", "server/registry")
FORBIDDEN = {
    "aiohttp",
    "anyio",
    "asyncio",
    "concurrent",
    "http.client",
    "httpx",
    "httpx2",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
    "urllib3",
}
ALLOWED = {"os.PathLike", "os.fspath"}
"""Names of `os` that are only types and conversions."""

MODULES = sorted(path for room in FENCED for path in (SOURCE / room).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Give every name that is imported anywhere in a module, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(source: str) -> list[str]:
    """Give the imports of a module that could act on the world."""
    return [
        name
        for name in imported(ast.parse(source))
        if name not in ALLOWED
        and any(name == word or name.startswith(f"{word}.") for word in FORBIDDEN)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_core_does_no_io(path: Path) -> None:
    """No module inside the fence imports what can act: sockets, clocks, threads, logs."""
    assert forbidden(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from asyncio import sleep",
        "def f():\n    import socket",
        "from os import environ",
    ],
)
def test_the_fence_sees_what_it_forbids(source: str) -> None:
    """Each form of a forbidden import is found, so the fence can fail."""
    assert forbidden(source)
