"""Exit codes: what they mean, and which one an error has."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, NoReturn

import typer

from arriero.cli.printable import complain, one_line
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    CallCancelled,
    CircuitOpen,
    CredentialError,
    DeadlineExceeded,
    DiskFull,
    LimitReached,
    MissingExtra,
    NotFound,
    ParseError,
    PolicyError,
    ProtocolError,
    RateLimited,
    RequestError,
    ResponseError,
    ServerBusy,
    TransportError,
    VerificationFailed,
)


class ExitCode(IntEnum):
    """How a command ended. Scripts may rely on the numbers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    DEADLINE = 6
    BUSY = 7
    SERVER = 8
    BROKEN = 9
    CHANGES = 10
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS = {
    ExitCode.OK: "success",
    ExitCode.FAILED: "it failed in a way that has no number of its own",
    ExitCode.USAGE: "wrong usage: words, options or values; nothing was sent",
    ExitCode.UNREACHABLE: "the server could not be reached, or the connection broke",
    ExitCode.NOT_FOUND: "the server has no such model, or no such thing",
    ExitCode.REFUSED: "refused: not signed in, or not allowed",
    ExitCode.DEADLINE: "a time budget ran out",
    ExitCode.BUSY: "the server is busy, or a limit was reached: later may work",
    ExitCode.SERVER: "the server answered with another error",
    ExitCode.BROKEN: "what came is not whole, or not what was asked for",
    ExitCode.CHANGES: "there is something to do, or a difference: `plan --exit-code`, `diff`",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.BROKEN_PIPE: "whoever read the output went away",
    ExitCode.TERMINATED: "SIGTERM",
}
"""Each code in words; the table of docs/cli.md."""

_CODES: tuple[tuple[type[ArrieroError], ExitCode], ...] = (
    (MissingExtra, ExitCode.FAILED),
    (RequestError, ExitCode.USAGE),
    (TransportError, ExitCode.UNREACHABLE),
    (DeadlineExceeded, ExitCode.DEADLINE),
    (CallCancelled, ExitCode.INTERRUPTED),
    (NotFound, ExitCode.NOT_FOUND),
    (AccessDenied, ExitCode.REFUSED),
    (CredentialError, ExitCode.REFUSED),
    (LimitReached, ExitCode.BUSY),
    (CircuitOpen, ExitCode.BUSY),
    (PolicyError, ExitCode.REFUSED),
    (RateLimited, ExitCode.BUSY),
    (ServerBusy, ExitCode.BUSY),
    (ResponseError, ExitCode.SERVER),
    (DiskFull, ExitCode.SERVER),
    (VerificationFailed, ExitCode.BROKEN),
    (ProtocolError, ExitCode.BROKEN),
    (ParseError, ExitCode.BROKEN),
)
"""The first class that fits decides, so the special ones stand before the general."""


def exit_code_of(error: ArrieroError) -> ExitCode:
    """Give the exit code of a command that ended with `error`."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def tell(error: ArrieroError, *, as_json: bool = False) -> None:
    """Write an error to stderr, and what its notes advise: for people, or as a line of JSON."""
    # An error within a stream has no status; the number stands for that, and says nothing.
    text = _without_markup(str(error).removesuffix(" (status code: -1)"))
    notes: list[str] = getattr(error, "__notes__", [])
    # Which call went where is for tracebacks: whoever typed the command knows.
    advice = "; ".join(note for note in notes if note != f"{error.call} at {error.host}")
    if as_json:
        kind, code = type(error).__name__, int(exit_code_of(error))
        record = {
            "error": one_line(text),
            "type": kind,
            "exit_code": code,
            "retryable": error.retryable,
        }
        if advice:
            record["advice"] = one_line(advice)
        print(json.dumps(record), file=sys.stderr)
    else:
        complain(f"{text}; {advice}" if advice else text)


def _without_markup(text: str) -> str:
    """Give what a page says: gateways answer for a server that is gone with one in HTML."""
    is_page = text.lstrip()[:9].lower().startswith(("<html", "<!doctype"))
    return re.sub(r"<[^>]*>", " ", text) if is_page else text


def output_failed(error: OSError) -> ExitCode:
    """Say that stdout takes nothing any more, and give the exit code."""
    _forget_stdout()
    complain(f"the output cannot be written: {error.strerror or error}")
    return ExitCode.FAILED


@contextmanager
def endings_told(*, as_json: bool = False) -> Generator[None]:
    """Turn the ways a command can end early into what people see and an exit code."""
    try:
        yield
    except ArrieroError as error:
        tell(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from error
    except BrokenPipeError as error:  # of stdout: those of sockets are errors of ours
        _forget_stdout()
        raise typer.Exit(ExitCode.BROKEN_PIPE) from error
    except OSError as error:  # of stdout likewise, such as a disk that is full
        raise typer.Exit(output_failed(error)) from error
    except KeyboardInterrupt as interrupt:
        if sys.stderr.isatty():  # the shell's prompt goes below what the terminal made of Ctrl-C
            print(file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere: nobody reads, and Python would complain at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def termination_unwinds() -> Generator[None]:
    """Let SIGTERM end the command as an exception does: cursor shown, sockets closed."""
    with _at_termination(_terminate):
        yield


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(ExitCode.TERMINATED)


def run_async(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; SIGTERM cancels it, as Ctrl-C does, before it ends the command.

    An exception that a signal raises in the middle of an event loop hits any task there is.
    """
    import asyncio

    is_terminated = False

    async def cancellable() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel(number: int, frame: object) -> None:
            nonlocal is_terminated
            is_terminated = True
            loop.call_soon_threadsafe(task.cancel)

        with _at_termination(cancel):
            await coroutine

    try:
        asyncio.run(cancellable())
    except asyncio.CancelledError:
        if is_terminated:
            raise SystemExit(ExitCode.TERMINATED) from None
        raise


@contextmanager
def _at_termination(handle: Callable[[int, Any], None]) -> Generator[None]:
    """Have SIGTERM do something else; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
