"""Models named when a server is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from arriero.errors import RequestError
from arriero.names import parse_name
from arriero.server.catalogue import catalogue_of, shipped_models
from arriero.server.numbers import parameter_size, shortest_floats


@pytest.fixture
def weights() -> Path:
    """A real GGUF file."""
    return shipped_models()["mini"].path


def test_a_file_is_named_after_itself(weights: Path) -> None:
    """The name is the file's, without its ending."""
    catalogue = catalogue_of([weights])

    assert [model.name.shortest for model in catalogue.models()] == [f"{weights.stem}:latest"]


def test_a_mapping_names_its_files(weights: Path) -> None:
    """Names in a mapping win over file names."""
    catalogue = catalogue_of({"own:1": weights, "me/other": str(weights)})

    assert catalogue.find(parse_name("own:1")) is not None
    assert catalogue.find(parse_name("me/other")) is not None
    assert catalogue.find(parse_name("own")) is None


def test_shipped_names_may_stand_in_a_list() -> None:
    """A server can offer some of the shipped models only."""
    assert [one.name.model for one in catalogue_of(["mini-think"]).models()] == ["mini-think"]


def test_lookup_minds_case_only_when_asked(weights: Path) -> None:
    """One old route is strict, the others are not."""
    catalogue = catalogue_of({"Own": weights})

    assert catalogue.find(parse_name("oWN")) is not None
    assert catalogue.find(parse_name("oWN"), exact_case=True) is None
    assert catalogue.find(parse_name("Own"), exact_case=True) is not None


def test_bad_arguments_fail_before_anything_starts(tmp_path: Path) -> None:
    """A wrong file or name is the caller's error, told at once."""
    (tmp_path / "x.gguf").write_bytes(b"not")
    for models, message in (
        ([tmp_path / "none.gguf"], "cannot read"),
        ([tmp_path / "x.gguf"], "is not a GGUF file"),
        ({"a b": tmp_path / "x.gguf"}, "is not a model name"),
    ):
        with pytest.raises(RequestError, match=message):
            catalogue_of(models)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (8_000_000_000, "8B"), (8_030_261_248, "8.0B"), (137_000_000, "137M"),
        (2_213_952, "2.21M"), (12_345, "12K"), (8, "8"),
    ],
)  # fmt: skip
def test_sizes_are_named_as_ollama_names_them(count: int, text: str) -> None:
    """Whole numbers have no decimals."""
    assert parameter_size(count) == text


def test_floats_take_the_fewest_digits_that_name_them() -> None:
    """A 32-bit float printed with 64 bits has digits that mean nothing."""
    wide = [-0.020153170451521873, 0.10000000149011612, 1.0, 0.0, 9.999999747378752e-06]

    assert shortest_floats(wide) == [-0.02015317, 0.1, 1.0, 0.0, 1e-05]
