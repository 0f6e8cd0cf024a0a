"""Docstrings of every style say the same."""

from __future__ import annotations

import pytest

from arriero.schema.docstring import docs_of

STYLES = {
    "google": """Add numbers.

        They may be large.

        Args:
            a (int): The first,
                which comes before.
            b (int, optional): The second (:b) number.

        Returns:
            int: The sum.

        Raises:
            ValueError: never
        """,
    "google in lower case, without blank lines": """Add numbers.

        They may be large.
        args:
          a (integer): The first,
          which comes before.
          b(integer) : The second (:b) number.
        returns:
          integer: The sum.
        """,
    "google with an example": """Add numbers.

        They may be large.

        Example:
            >>> add(1, 2)
            3

        Args:
            a (int): The first, which comes before.
            b (int): The second (:b) number.
        """,
    "numpy": """Add numbers.

        They may be large.

        Parameters
        ----------
        a : int
            The first,
            which comes before.
        b : int, optional
            The second (:b) number.

        Returns
        -------
        int
            The sum.
        """,
    "sphinx": """Add numbers.

        They may be large.

        :param int a: The first,
            which comes before.
        :param b: The second (:b) number.
        :type b: int
        :returns: The sum.
        """,
    "epydoc": """Add numbers.

        They may be large.

        @param a: The first,
            which comes before.
        @type a: int
        @param b: The second (:b) number.
        @type b: int
        @return: The sum.
        """,
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_description_and_arguments(style: str) -> None:
    """Sections are no part of the description; line breaks are no part of an argument's."""
    docs = docs_of(STYLES[style])

    assert docs.description.split() == ["Add", "numbers.", "They", "may", "be", "large."]
    assert docs.arguments["a"].description == "The first, which comes before."
    assert docs.arguments["b"].description == "The second (:b) number."
    assert {argument.type for argument in docs.arguments.values()} == {int}


@pytest.mark.parametrize(
    ("text", "description", "arguments"),
    [
        (None, "", {}),
        ("  \n ", "", {}),
        ("Do it.", "Do it.", {}),
        ("Usage: do it.\nNote: gently.", "Usage: do it.\nNote: gently.", {}),
        ("Do it.\nArgs:\n    None\nReturns:\n    None", "Do it.", {}),
        ("Do it.\n\nArgs:\n    *rest: The rest.", "Do it.", {"rest": "The rest."}),
        ("Do it.\n\nArgs:\n    u: Unit: 'c' or 'f'.", "Do it.", {"u": "Unit: 'c' or 'f'."}),
        (
            "Add.\nArgs:\n    x (integer): : The first\n\n\n\n    y (integer ): The second\n",
            "Add.",
            {"x": ": The first", "y": "The second"},
        ),
        (
            "Do it.\n\nNote:\n    Gently.\n\nArgs:\n    a: b",
            "Do it.\n\nNote:\n    Gently.",
            {"a": "b"},
        ),
        (
            "Do it.\n\nArgs:\n    All of:\n    a: b\n\nThen rest.",
            "Do it.",
            {"a": "b"},
        ),
        ("Do it.\n\nYields:\n    int: numbers", "Do it.", {}),
    ],
)
def test_loose_docstrings_are_read(
    text: str | None, description: str, arguments: dict[str, str]
) -> None:
    """As people write them; the `ollama` package's own examples are among them."""
    docs = docs_of(text)

    assert docs.description == description
    assert {name: said.description for name, said in docs.arguments.items()} == arguments


def test_a_compound_type_in_a_docstring_is_no_type() -> None:
    """Only one plain word is taken; an annotation says the rest."""
    docs = docs_of("Do it.\n\nArgs:\n    a (list[int]): Numbers.\n    b (bool): Whether.")

    assert docs.arguments["a"].type is None
    assert docs.arguments["b"].type is bool
