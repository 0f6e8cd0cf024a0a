"""`arriero serve`: the embedded server in the foreground."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from arriero.server import RequestLine

_MINI_NOTE = "mini is a toy of 2.2 million parameters: it knows llamas and little else"


def serve(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on; 0.0.0.0 is open to other machines."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one."
        ),
    ] = 11434,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="GGUF file to serve, under its name without .gguf; or mini, mini-think or"
            " mini-embed. Repeat it for several. Without it: those three.",
        ),
    ] = None,
    keep_alive: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How long an idle model stays loaded; -1 is for good."
        ),
    ] = "5m",
    context_length: Annotated[
        int,
        typer.Option(metavar="TOKENS", help="Context of a model where a request names none."),
    ] = 4096,
    num_parallel: Annotated[
        int, typer.Option(metavar="N", help="Requests one model runs at once.")
    ] = 4,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            envvar="OLLAMA_MODELS",
            help="Where created models are kept, in Ollama's layout; Ollama's own folder will"
            " do. Without it they go when the server ends.",
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
    Needs the extra: pip install 'arriero[cli,server]'.
    """
    from rich.console import Console

    from arriero.server import run
    from arriero.server.catalogue import catalogue_of

    # Errors of ours go to stderr, the server's own words to stdout.
    console = Console(highlight=False, soft_wrap=True)
    catalogue = catalogue_of(models or None)
    chatty = [model.name.shortest for model in catalogue.models() if not model.is_embedding]
    names = [model.name.shortest for model in catalogue.models()]

    def ready(url: str) -> None:
        console.print(f"Serving Ollama's protocol at [bold]{url}[/bold]  (Ctrl-C stops)")
        console.print(f"Models: {', '.join(names)}")
        if store:
            console.print(f"Store: {store}", markup=False)
        if not models:
            console.print(f"Note: {_MINI_NOTE}.")
        if chatty:
            console.print(f"Try it: {hint(url, chatty[0])}", markup=False)

    def answered(line: RequestLine) -> None:
        with suppress(OSError):  # nobody reads what we print: serving goes on
            show_request(console, line)

    run(
        host,
        port,
        models or None,
        keep_alive=keep_alive,
        context_length=context_length,
        num_parallel=num_parallel,
        on_ready=ready,
        on_request=_silent if quiet else answered,
        store=store or None,
        registry_auth=registry_auth or None,
        # As Ollama reads it: anything but these words means yes.
        prune_store=os.environ.get("OLLAMA_NOPRUNE", "").lower() in ("", "0", "f", "false"),
    )
    console.print("Stopped.")


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
    asked = "".join(
        char if char.isprintable() else "?" for char in f"{line.method:<6} {line.path:<18}"
    )
    console.print(
        Text.assemble(
            f"{time.strftime('%H:%M:%S')} {asked} ",
            (answer, style),
            f" {line.seconds:8.3f} s {line.client}",
        )
    )


def _silent(line: RequestLine) -> None:
    """Show nothing."""
