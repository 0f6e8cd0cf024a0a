"""`arriero demo`."""

from __future__ import annotations

import inspect
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from arriero import Client
from arriero.cli.app import app
from arriero.cli.demo import examples, scenes
from arriero.cli.demo.scenes import SCENES, DemoFailed, Scene, check
from arriero.cli.demo.stage import Stage
from arriero.errors import ModelNotFound


@pytest.mark.slow
def test_every_scene_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo shows all of its sections with real answers, and ends well."""
    monkeypatch.setattr(scenes, "_ROUNDS", 1)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    for number, scene in enumerate(SCENES, 1):
        assert f"{number}. {scene.title}" in result.output
    assert "4821 plus 377 is 5198." in result.output
    assert "Herd(llamas=[Llama(name='Luna', age=4), Llama(name='Inti', age=7)])" in result.output
    assert "FAILED" not in result.output
    assert "\x1b" not in result.output


def failing(stage: Stage, client: Client) -> None:
    """Do not hold."""
    check(False, "nothing")


def refused(stage: Stage, client: Client) -> None:
    """Ask for what is not there."""
    client.show("no-such-model")


def test_a_failed_scene_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later sections still play; the exit code says that something broke."""
    monkeypatch.setattr(scenes, "SCENES", (Scene("One", failing), Scene("Two", refused), SCENES[3]))
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert f"FAILED  {DemoFailed.__name__}: the model gave nothing" in result.output
    assert f"FAILED  {ModelNotFound.__name__}: " in result.output
    assert "Herd(llamas=" in result.output
    assert "2 of the sections above failed." in result.output


def test_the_code_shown_fits_on_80_columns() -> None:
    """Syntax on a terminal is cut, not wrapped: four blanks and 76 characters fit."""
    lines = inspect.getsource(examples).splitlines()
    assert [line for line in lines if len(line) > 76] == []


def test_pieces_wrap_at_words() -> None:
    """A message that arrives in pieces is wrapped under its own beginning."""
    out = io.StringIO()
    stage = Stage(Console(file=out, width=24))
    stage.speaker("mini")
    for piece in ("Llamas hum", " when th", "ey are hungry", "."):
        stage.piece(piece)
    stage.end_of_message()
    assert out.getvalue() == (
        "     mini  Llamas hum\n           when they are\n           hungry.\n"
    )


def test_a_pipe_of_ascii_gets_ascii() -> None:
    """Where only ASCII can be written, lines are drawn with dashes."""
    bytes_ = io.BytesIO()
    with io.TextIOWrapper(bytes_, "ascii") as out:
        stage = Stage(Console(file=out, width=24))
        stage.title("One")
        stage.closing(1.0, 0)
        out.flush()
        assert bytes_.getvalue().count(b"----") >= 2
