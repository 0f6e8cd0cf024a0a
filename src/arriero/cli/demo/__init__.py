"""`arriero demo`: the main jobs, run visibly against a real model."""

from __future__ import annotations

import time

import typer


def demo() -> None:
    """Show what arriero does, with real answers from a real model.

    Starts the embedded server with the model of this package on a free port of this
    machine, and talks to it: no Ollama, no download, no account. Takes seconds.
    Needs the extra: pip install 'arriero[cli,server]'.
    """
    from arriero import Client
    from arriero.cli.demo.scenes import SCENES, DemoFailed
    from arriero.cli.demo.stage import Stage
    from arriero.errors import ArrieroError
    from arriero.server import serve

    stage, started_s, failures = Stage(), time.perf_counter(), 0
    with serve(context_length=2048, num_parallel=10) as server, Client(server.url) as client:
        stage.opening(server.url, client)
        for number, scene in enumerate(SCENES, 1):
            stage.title(f"{number}. {scene.title}")
            try:
                scene.play(stage, client)
            except (ArrieroError, DemoFailed) as error:
                failures += 1
                stage.failed(f"{type(error).__name__}: {error}")
    stage.closing(time.perf_counter() - started_s, failures)
    if failures:
        raise typer.Exit(1)
