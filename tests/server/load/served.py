"""A server whose model says as many words as it is asked for, as a program of its own.

Prints its port; ends when its input does. The HTTP server, the routes and the scheduler are the
real ones; only the model is played, as its memory is not what is measured.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from arriero.server.app import Application
from arriero.server.catalogue import Model
from arriero.server.engines.engine import Delta, Emit, Engine, Finish, LoadPlan, Sampling
from arriero.server.engines.script import Question, Reply, ScriptEngine, Vocabulary
from arriero.server.running import Server
from arriero.server.scripted_models import ScriptedModels
from arriero.server.settings import Scheduling


class CountingEngine(ScriptEngine):
    """A model that says a word as often as its prompt says."""

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        """Say one word after the other; none is there before its time."""
        count = int(str(prompt))
        for at in range(count):
            if emit(Delta(text=" word")):
                return Finish("stop", 1, 1, at, 1)
        return Finish("stop", 1, 1, count, 1)


def load(model: Model, plan: LoadPlan) -> Engine:
    """Load the model."""
    return CountingEngine("m", _nothing, Vocabulary(), 8)


def _nothing(question: Question) -> Reply:
    return Reply()


def main() -> None:
    """Serve until the input ends."""
    slots = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        models = ScriptedModels(Path(folder), None, 8)
        app = Application(models, Scheduling(num_parallel=slots), load)
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        with Server(app, listener) as server:
            print(server.port, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
