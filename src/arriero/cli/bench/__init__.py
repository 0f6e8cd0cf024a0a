"""`arriero bench`: how fast a server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.asking import KeepAlive, Options
from arriero.cli.exits import ExitCode
from arriero.cli.names import ModelName
from arriero.cli.pairs import options_of, value_of
from arriero.cli.session import Session

if TYPE_CHECKING:
    from arriero.cli.bench.load import Level, Load

PROMPT = "Tell a long story about a llama that carries letters over the mountains."


def bench(
    session: Session,
    model: ModelName,
    requests: Annotated[
        int, typer.Option("--requests", "-n", metavar="N", min=1, help="Measured at each level.")
    ] = 20,
    concurrency: Annotated[
        list[int] | None,
        typer.Option(
            "--concurrency",
            "-c",
            metavar="N",
            min=1,
            max=1000,
            help="Requests at a time; repeatable, each a level of its own. Without it: 1.",
        ),
    ] = None,
    tokens: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most tokens of an answer.")
    ] = 128,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What is asked.")] = PROMPT,
    warm_up: Annotated[
        int,
        typer.Option(
            "--warm-up",
            metavar="N",
            min=0,
            help="Requests before each level that do not count; the first loads the model.",
        ),
    ] = 1,
    same_prompt: Annotated[
        bool,
        typer.Option(
            "--same-prompt",
            help="Ask exactly the same each time: servers then skip reading most of it.",
        ),
    ] = False,
    option: Options = None,
    keep_alive: KeepAlive = None,
) -> None:
    """Measure a server: first token, tokens per second, throughput.

    Each request begins with a number of its own, so that no server answers from its memory of
    the last prompt. Temperature is 0 unless --option says otherwise. Tokens are those the
    server counts, and the rate of each answer is by the server's clock; times to the first
    token and to the end, and the rate in all, are by the clock of this machine.
    Nothing is tried again: a failure counts as one, and is left out of the times.
    A percentile is shown if there are enough answers for it: 20 for p95.
    Exit code 1 if a request failed. Ctrl-C shows what was measured so far.
    """
    from arriero.cli.bench.load import Load

    options = {"temperature": 0, "num_predict": tokens, **(options_of(option) or {})}
    load = Load(
        session.host,
        session.timeout_s,
        model=model,
        prompt=prompt,
        is_same=same_prompt,
        options=options,
        keep_alive=None if keep_alive is None else value_of(keep_alive),
    )
    _measure(session, load, requests, concurrency or [1], warm_up)


def _measure(
    session: Session, load: Load, requests: int, concurrency: list[int], warm_up: int
) -> None:
    """Measure level after level, and show each once it is there.

    Raises:
        ArrieroError: all requests of a level failed, by that of the first; the failures of
            others are shown, and are exit code 1.
    """
    from arriero.cli.bench.load import Level
    from arriero.cli.bench.report import head_of, levels_as_json, report_of

    head = head_of(session.client, load)
    if not session.out.as_json:
        session.out.text(f"{load.model} at {head['host']}, server {head['server'] or 'unknown'}")
    levels: list[Level] = []
    try:
        for number in concurrency:
            load.warm_up(warm_up, number)
            levels.append(Level(number))
            _run(session, load, levels[-1], requests)
            if not session.out.as_json:
                session.out.text(f"\n{report_of(levels[-1])}")
    except KeyboardInterrupt:
        if levels and levels[-1].answers and not session.out.as_json:
            session.out.text(f"\n{report_of(levels[-1])}")
        raise
    finally:
        if session.out.as_json and any(level.answers for level in levels):
            session.out.document({**head, **levels_as_json(levels, requests)})
    failures = [failure for level in levels for failure in level.failures]
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def _run(session: Session, load: Load, level: Level, requests: int) -> None:
    """Run a level, with a count of what is done where somebody looks.

    Raises:
        ArrieroError: nothing was answered; what the first request failed with.
    """
    from arriero.cli.bench.progress import counting

    with counting(session.out, level, requests) as count:
        load.run(level, requests, count)
    if not level.answers:
        raise level.failures[0]
