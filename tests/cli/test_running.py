"""`arriero ps`, `stop`, `version`."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable

import pytest

from arriero import __version__
from arriero.cli.running import processor_of

from .peer import Peer

Run = Callable[..., tuple[int, str, str]]


def test_loaded_models_are_listed_and_stopped(server: str, run: Run) -> None:
    """What is loaded, where, and until when; then it is not."""
    run("run", "mini", "hello", "--keep-alive", "4m", host=server)
    code, out, _ = run("ps", host=server)
    head, row = out.splitlines()
    assert (code, head.split()) == (0, ["NAME", "SIZE", "PROCESSOR", "CONTEXT", "UNLOADS"])
    assert row.split()[:4] == ["mini:latest", "2.4", "MB", "CPU"]
    assert row.endswith(("in 3 minutes", "in 4 minutes"))
    assert run("ps", "-q", host=server)[1] == "mini:latest\n"
    assert json.loads(run("ps", "--json", host=server)[1])["models"][0]["name"] == "mini:latest"
    assert run("stop", "mini", "--json", host=server)[1] == (
        '{"model": "mini", "status": "unloaded"}\n'
    )
    assert run("ps", "-q", host=server)[1] == ""
    assert run("stop", "nope", host=server)[0] == 4


@pytest.mark.parametrize(
    ("expires_at", "told"),
    [
        ("2318-01-01T00:00:00Z", "never"),
        ("2020-01-01T00:00:00Z", "when its work is done"),
        (None, "-"),
    ],
)
def test_when_a_model_goes_is_told(peer: Peer, run: Run, expires_at: str | None, told: str) -> None:
    """Never is a time centuries away; a time that is over means it works."""
    peer.lines = [{"models": [{"model": "m", "size": 10, "expires_at": expires_at}]}]
    assert run("ps", host=peer.url)[1].splitlines()[1].endswith(f"  {told}")


@pytest.mark.parametrize(
    ("size", "vram", "told"),
    [(10, 10, "GPU"), (10, 0, "CPU"), (10, None, "CPU"), (10, 4, "40% GPU, 60% CPU"), (0, 0, "-")],
)
def test_where_a_model_is_is_told(size: int, vram: int | None, told: str) -> None:
    """On the GPU, beside it, or both."""
    assert processor_of(size, vram) == told


def test_version_shows_both_sides(server: str, run: Run) -> None:
    """Ours and the server's, for bug reports."""
    code, out, err = run("version", host=server)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"arriero {__version__}, Python {platform.python_version()}"
    assert out.splitlines()[1] == f"server 0.33.0 at {server}"


def test_version_needs_no_server(run: Run) -> None:
    """Ours is told even so, and why the other is not."""
    code, out, err = run("version", host="127.0.0.1:9")
    assert (code, out.count("\n")) == (0, 1)
    assert err.startswith("no server: GET /api/version (http://127.0.0.1:9): Connection refused")
    document = json.loads(run("version", "--json", host="127.0.0.1:9")[1])
    assert (document["server"], document["arriero"]) == (None, __version__)
