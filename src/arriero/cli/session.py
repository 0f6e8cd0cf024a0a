"""What every command that talks to a server has in common.

A command is a function whose first argument is a `Session`::

    @command(models, "delete")
    def delete(session: Session, model: ModelName) -> None:
        \"""Delete a model.\"""
        session.client.delete(model)
        session.out.remark(f"Deleted {model}.")

`command` adds ``--host``, ``--timeout``, ``--json`` and ``--quiet``, makes the session of
them, closes it, and turns an `ArrieroError` into one line and an exit code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, Self

import typer

from arriero.cli.exits import endings_told, termination_unwinds
from arriero.cli.names import advise
from arriero.cli.output import Output
from arriero.errors import ModelNotFound

if TYPE_CHECKING:
    from arriero import Client

P = ParamSpec("P")


class Session:
    """One run of a command: the client it talks through and the output it writes to.

    Args:
        host: As `arriero.Client` takes it; None is this machine.
        timeout_s: Budget of each call as a whole; None leaves the client's own budgets.
        out: Where results and remarks go.
    """

    def __init__(
        self, host: str | None = None, timeout_s: float | None = None, out: Output | None = None
    ) -> None:
        self.host = host
        self.timeout_s = timeout_s
        self.out = out or Output()

    @cached_property
    def client(self) -> Client:
        """The client, made when it is first used.

        Raises:
            RequestError: host or timeout make no sense.
        """
        from arriero import Client, Timeouts

        return Client(self.host, timeouts=Timeouts(total_s=self.timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if "client" in self.__dict__:
            self.client.close()


def command(
    app: typer.Typer, name: str | None = None, **how: Any
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Register a function as a command of `app`; the function itself stays as it is.

    Args:
        app: The application or a group of it.
        name: Of the command; None takes the function's.
        **how: Further arguments of `typer.Typer.command`.
    """

    def register(
        function: Callable[Concatenate[Session, P], None],
    ) -> Callable[Concatenate[Session, P], None]:
        app.command(name, **how)(_with_options(function))
        return function

    return register


def _run(function: Callable[..., None], values: dict[str, Any]) -> None:
    host, timeout_s = values.pop("host"), values.pop("timeout")
    out = Output(as_json=values.pop("as_json"), quiet=values.pop("quiet"))
    with (
        endings_told(as_json=out.as_json),
        termination_unwinds(),
        Session(host, timeout_s, out) as session,
    ):
        try:
            function(session, **values)
        except ModelNotFound as error:
            advise(error, session.client.host)
            raise


_COMMON: dict[str, tuple[Any, Any]] = {
    "host": (
        Annotated[
            str | None,
            typer.Option(
                metavar="HOST",
                envvar="OLLAMA_HOST",
                help="Server to talk to: host, host:port or a URL. Without it: this machine.",
            ),
        ],
        None,
    ),
    "timeout": (
        Annotated[
            float | None,
            typer.Option(
                metavar="SECONDS",
                min=0.001,
                help="Most seconds for each call to the server as a whole.",
            ),
        ],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")], False),
    "quiet": (
        Annotated[
            bool,
            typer.Option("--quiet", "-q", help="Write the result and nothing else."),
        ],
        False,
    ),
}
"""Options of every command: name, type, default."""


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function without session, but with the common options, that runs `function`.

    Typer reads commands from signatures, so the signature is what is put together here.
    """
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    common = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in _COMMON.items()
    ]

    def run(**values: Any) -> None:
        _run(function, values)

    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *common]
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as typer reads it
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
