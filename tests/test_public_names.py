"""The names of the package: importable, documented, in order, and nothing done by importing."""

from __future__ import annotations

import builtins
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import arriero
from arriero import errors


def test_all_is_what_the_tables_say() -> None:
    """The version, then types by name; no functions, which would hide builtins; nothing twice."""
    functions = list(arriero._FUNCTIONS)
    types = [name for names in arriero._PLACES.values() for name in names]

    assert arriero.__all__ == ["__version__", *sorted(types)]
    assert not set(arriero.__all__) & set(dir(builtins))
    assert functions == sorted(functions)
    assert len(set(arriero.__all__)) == len(arriero.__all__)
    for place, names in arriero._PLACES.items():
        assert list(names) == sorted(names), place
    assert list(arriero._PLACES) == sorted(arriero._PLACES)


@pytest.mark.parametrize("name", [*arriero.__all__[1:], *arriero._FUNCTIONS])
def test_a_public_name_is_there_and_explained(name: str) -> None:
    """Each can be fetched, and has words of its own."""
    value = getattr(arriero, name)

    if inspect.isclass(value) or inspect.isroutine(value):
        assert value.__doc__
        inherited = [base.__doc__ for base in getattr(value, "__mro__", ())[1:]]
        assert value.__doc__ not in inherited
    assert name in dir(arriero)


def test_the_docstrings_of_methods_are_there() -> None:
    """Every public method and property of every public class has one."""
    silent = [
        f"{name}.{member}"
        for name in arriero.__all__
        if inspect.isclass(cls := getattr(arriero, name)) and cls.__module__.startswith("arriero")
        for member, value in vars(cls).items()
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | classmethod))
        and not inspect.getdoc(value)
    ]

    assert silent == []


def test_what_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'arriero' has no attribute 'chatt'"):
        arriero.chatt  # type: ignore[attr-defined]  # noqa: B018  # wrong on purpose


def test_every_method_of_the_client_is_a_function() -> None:
    """But for `close`, as the default client lives as long as the process, and `statistics`,
    which asks nobody."""
    methods = {name for name in dir(arriero.Client) if not name.startswith("_")}
    own = {name for name in methods if inspect.isfunction(getattr(arriero.Client, name))}

    assert own - {"close", "explain", "statistics"} == set(arriero._FUNCTIONS)


QUIET = """
import builtins, io, os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
class Environ(dict):
    def __getitem__(self, name): raise SystemExit(f"read {name}")
    get = __contains__ = __getitem__
os.environ = Environ()
import arriero
assert not opened, opened
heavy = {"aiohttp", "urllib3", "httpx", "httpx2", "numpy", "pydantic", "asyncio", "ssl",
         "arriero._sync.client", "arriero.server", "docstring_parser"} & set(sys.modules)
assert not heavy, heavy
from arriero import chat
"""


def test_importing_does_nothing() -> None:
    """No client, no environment, no socket, no library that is not needed yet."""
    code = QUIET + "assert 'aiohttp' not in sys.modules and 'urllib3' not in sys.modules\n"
    made = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=240, check=False
    )

    assert made.returncode == 0, made.stderr


# The tree of errors


def drawn(text: str) -> dict[str, tuple[str | None, set[str]]]:
    """Read the tree at the top of the module: each class, its parent, its builtin bases."""
    found: dict[str, tuple[str | None, set[str]]] = {}
    path: list[str] = []
    for line in text.splitlines():
        words = line.strip().lstrip("│├└─ ").split()
        if not words or not words[0][0].isupper() or words[0] not in vars(errors):
            continue
        if not set(line) & set("├└") and found:
            continue
        depth = (len(line) - len(line.lstrip("│├└─ ")) - 4) // 3
        path = [*path[:depth], words[0]]
        builtin = words[1].strip("()") if len(words) > 1 and words[1].startswith("(") else ""
        found[words[0]] = (path[-2] if depth else None, {builtin} - {""})
    return found


def test_the_drawing_is_the_tree() -> None:
    """Classes, parents and builtin bases, as they are."""
    classes: dict[str, Any] = {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.ArrieroError)
    }
    real = {
        name: (
            next((base.__name__ for base in cls.__bases__ if base.__name__ in classes), None),
            {base.__name__ for base in cls.__bases__ if base.__name__ not in classes}
            - {"Exception"},
        )
        for name, cls in classes.items()
    }

    assert drawn(errors.__doc__ or "") == real


def test_every_error_is_public() -> None:
    """What can be raised can be caught by name."""
    module = importlib.import_module("arriero.errors")
    classes = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, errors.ArrieroError)
    }

    assert classes <= set(arriero.__all__)


def test_the_type_checkers_see_every_method() -> None:
    """The module they check calls each method of both clients, and each function once."""
    text = (Path(__file__).parent / "typing" / "public_api.py").read_text()

    for name in arriero._FUNCTIONS:
        assert f" client.{name}(" in text or f"(client.{name}(" in text, name
        assert f"await client.{name}(" in text, name
