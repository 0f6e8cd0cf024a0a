"""`docs/errors.md` covers the tree of `arriero.errors`."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from arriero import errors

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/errors.md").read_text("utf-8")
CLASSES = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.ArrieroError)
]
ABOVE = {"ArrieroError", "TransportError", "ResponseError", "StatusError"}
"""Classes that only others inherit from: there is nothing to do about them."""


def test_the_tree_is_the_one_in_the_code() -> None:
    """The page shows the tree as the module draws it."""
    drawn = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2]
    tree = textwrap.dedent(drawn.partition("\n\n")[0])
    assert f"```text\n{tree}\n```\n" in PAGE


@pytest.mark.parametrize("name", sorted({*CLASSES} - ABOVE))
def test_every_error_says_what_to_do(name: str) -> None:
    """Each class has a row in the table of what to do, and a place in the drawn tree."""
    assert re.search(rf"^\| `{name}` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert re.search(rf"─ {name}\b", errors.__doc__ or "")
