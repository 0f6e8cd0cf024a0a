"""`arriero serve`: the embedded server in the foreground."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from arriero.server import RequestLine

T = TypeVar("T")

_MINI_NOTE = "mini is a toy of 2.2 million parameters: it knows llamas and little else"


class Where(StrEnum):
    """Where llama.cpp runs."""

    PROCESS = "process"
    INLINE = "inline"


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 is open to other machines."
            " [OLLAMA_HOST; default: 127.0.0.1]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            help="Port to listen on; 0 takes a free one. [OLLAMA_HOST; default: 11434]",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="GGUF file to serve, under its name without .gguf; or mini, mini-think or"
            " mini-embed. Repeat it for several. Without it: those three.",
        ),
    ] = None,
    engine: Annotated[
        Where,
        typer.Option(
            help="Where llama.cpp runs: in a process of its own for each model, which may crash, or"
            " inline, which is there 0.2 s sooner.",
        ),
    ] = Where.PROCESS,
    keep_alive: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="How long an idle model stays loaded; -1 is for good."
            " [OLLAMA_KEEP_ALIVE; default: 5m]",
            show_default=False,
        ),
    ] = None,
    context_length: Annotated[
        int | None,
        typer.Option(
            metavar="TOKENS",
            help="Context of a model where a request names none."
            " [OLLAMA_CONTEXT_LENGTH; default: 4096]",
            show_default=False,
        ),
    ] = None,
    num_parallel: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Requests one model runs at once. [OLLAMA_NUM_PARALLEL; default: 4]",
            show_default=False,
        ),
    ] = None,
    max_loaded_models: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Models loaded at once. [OLLAMA_MAX_LOADED_MODELS; default: 3]",
            show_default=False,
        ),
    ] = None,
    max_queue: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Requests that may wait for a load. [OLLAMA_MAX_QUEUE; default: 512]",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Where created models are kept, in Ollama's layout; Ollama's own folder will"
            " do. Without it they go when the server ends. [OLLAMA_MODELS]",
        ),
    ] = None,
    registry_auth: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Names and passwords for registries, such as ~/.docker/config.json.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no line per request.")] = False,
) -> None:
    """Serve models over Ollama's protocol until Ctrl-C.

    The first Ctrl-C lets running requests finish for ten seconds, a second one ends them.
    Where no option is given, Ollama's environment variables count: those in brackets, and
    OLLAMA_ORIGINS, OLLAMA_NOPRUNE and OLLAMA_DEBUG.
    Needs the extra: pip install 'arriero[cli,server]'.
    """
    from rich.console import Console

    from arriero.server import run
    from arriero.server.catalogue import catalogue_of
    from arriero.server.environment import PORT, read_environment

    # Errors of ours go to stderr, the server's own words to stdout.
    console = Console(highlight=False, soft_wrap=True)
    given = read_environment(os.environ)
    folder = store or given.store
    catalogue = catalogue_of(models or None)
    chatty = [model.name.shortest for model in catalogue.models() if not model.is_embedding]
    names = [model.name.shortest for model in catalogue.models()]

    def ready(url: str) -> None:
        console.print(f"Serving Ollama's protocol at [bold]{url}[/bold]  (Ctrl-C stops)")
        console.print(f"Models: {', '.join(names)}")
        if folder:
            console.print(f"Store: {folder}", markup=False)
        if not models:
            console.print(f"Note: {_MINI_NOTE}.")
        if chatty:
            console.print(f"Try it: {hint(url, chatty[0])}", markup=False)

    def answered(line: RequestLine) -> None:
        with suppress(OSError):  # nobody reads what we print: serving goes on
            show_request(console, line)

    numbers = {
        "context_length": _first(context_length, given.context_length),
        "num_parallel": _first(num_parallel, given.num_parallel),
        "max_loaded_models": _first(max_loaded_models, given.max_loaded_models),
        "max_queue": _first(max_queue, given.max_queue),
    }
    with show_log(console, debug=given.debug):
        run(
            _first(host, given.host) or "127.0.0.1",
            PORT if (found := _first(port, given.port)) is None else found,
            models or None,
            keep_alive=_first(keep_alive, given.keep_alive),
            **{name: number for name, number in numbers.items() if number is not None},
            engine=engine.value,
            origins=given.origins,
            on_ready=ready,
            on_request=_silent if quiet else answered,
            store=folder,
            registry_auth=registry_auth or None,
            prune_store=given.prune,
        )
    console.print("Stopped.")


@contextmanager
def show_log(console: Console, *, debug: bool = False) -> Generator[None]:
    """Print what the server logs among its requests, in the same form."""
    from rich.text import Text

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            style = "red" if record.levelno >= logging.ERROR else "yellow"
            if record.levelno < logging.WARNING:
                style = "dim"
            with suppress(OSError):
                for line in self.format(record).splitlines():
                    text = f"{time.strftime('%H:%M:%S')} {_printable(line)}"
                    console.print(Text(text, style))

    log, printer = logging.getLogger("arriero.server"), Printer()
    before = log.level, log.propagate
    log.addHandler(printer)
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(printer)
        log.level, log.propagate = before


def hint(url: str, model: str) -> str:
    """Give one line for a shell that talks to the server."""
    name = model.removesuffix(":latest")
    return (
        f'python -c "import arriero; c = arriero.Client({url!r});'
        f" print(c.generate({name!r}, 'What is an arriero?').response)\""
    )


def show_request(console: Console, line: RequestLine) -> None:
    """Print one line about a request: time, method, path, status, seconds, client."""
    from rich.text import Text

    if line.status == 0:
        answer, style = "client gone", "yellow"
    else:
        answer = str(line.status)
        style = "green" if line.status < 400 else "yellow" if line.status < 500 else "red"
    # Method and path are the client's words: a terminal must not take them for commands.
    asked = _printable(f"{line.method:<6} {line.path:<18}")
    console.print(
        Text.assemble(
            f"{time.strftime('%H:%M:%S')} {asked} ",
            (answer, style),
            f" {line.seconds:8.3f} s {line.client}",
        )
    )


def _first(option: T | None, variable: T | None) -> T | None:
    """What was asked for on the command line, or else in the environment."""
    return variable if option is None else option


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _silent(line: RequestLine) -> None:
    """Show nothing."""
