"""A server that answers by rule."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from arriero.errors import RequestError
from arriero.names import InvalidName, ModelName, parse_name
from arriero.server.app import Application
from arriero.server.engines.script import Question, script_loader
from arriero.server.scripted_models import ABILITIES, ScriptedModels
from arriero.server.settings import Scheduling
from arriero.server.store import Store
from arriero.server.stored_models import StoreCatalogue

from .controlled import ControlledServer
from .matching import Match, Says
from .offers import Offer, Offers, ScriptedTransfers
from .rules import Rule, Rules

if TYPE_CHECKING:
    from .host import App

_CONTEXT = 1 << 20
"""No test should run into a limit it did not ask for."""


class ScriptedServer(ControlledServer):
    """Ollama's protocol over real sockets, with answers a test decides on.

    ::

        with ScriptedServer() as server:
            server.on(says="capital of France").reply("Paris")
            code_under_test(server.url)
            server.assert_received(model="llama3.2")

    A question no rule is for is answered with status 500, and kept in `unanswered`.
    Embeddings need no rule: the same text has the same unit vector everywhere, and texts that
    share words are close.

    Args:
        models: Names of the models there are, or names and their capabilities; None lets every
            name exist, but those that are on offer.
        dimensions: Length of the vectors.
        delay_s: Seconds before the first token of an answer.
        token_s: Seconds before every further one.
        load_s: Seconds a model takes to load.
        num_parallel: Requests a model answers at once; others wait in order.
        max_queue: Requests that may wait for a load; one more gets Ollama's 503.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Raises:
        MissingExtra: the extra ``testing`` is not installed.
        RequestError: an argument makes no sense.
    """

    def __init__(
        self,
        models: Iterable[str] | Mapping[str, Sequence[str]] | None = None,
        *,
        dimensions: int = 64,
        delay_s: float = 0.0,
        token_s: float = 0.0,
        load_s: float = 0.0,
        num_parallel: int = 16,
        max_queue: int = 512,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host, port)
        self._models = None if models is None else _named(models)
        self._dimensions = dimensions
        self._times = delay_s, token_s
        self._load_s = load_s
        self._scheduling = Scheduling(
            max_loaded_models=_CONTEXT,
            num_parallel=num_parallel,
            max_queue=max_queue,
            context_length=_CONTEXT,
        )
        self._rules = Rules()
        self._offers = Offers()

    def on(
        self,
        *,
        model: str | None = None,
        says: Says | None = None,
        tool: str | None = None,
        result_of: str | None = None,
    ) -> Rule:
        """Make a rule for some questions; the newest rule that matches answers.

        Args:
            model: Questions to this model.
            says: Questions whose last message (or prompt) says this: a piece of it, a pattern,
                or a function that decides.
            tool: Questions that offer this tool, unless they bring the result of a call.
            result_of: Questions that bring the result of this tool.

        Raises:
            RequestError: `model` is no name.
        """
        rule = Rule(Match(model, says, tool, result_of), *self._times)
        self._rules.add(rule)
        return rule

    def offer(
        self,
        model: str,
        *,
        abilities: Sequence[str] = ABILITIES,
        size_bytes: int = 4_000_000_000,
        pull_s: float = 0.0,
        steps: int = 10,
    ) -> None:
        """Let a model be pulled that is not there yet, or a new version of one that is.

        It appears when a pull has come to its end. Offered again, the next pull brings another
        digest, as when a tag has moved in the registry. No registry is ever asked.

        Args:
            model: Its name.
            abilities: What it can do, in Ollama's words.
            size_bytes: Its size, as progress records have it; nothing of that size is made.
            pull_s: Seconds a pull takes.
            steps: Progress records of a pull, evenly spread.

        Raises:
            RequestError: an argument makes no sense.
        """
        if size_bytes < 1 or steps < 1 or pull_s < 0:
            raise RequestError("offer needs size_bytes and steps of 1 or more, pull_s of 0 or more")
        ((name, checked),) = _named({model: abilities}).items()
        self._offers.add(name, Offer(tuple(checked), size_bytes, pull_s, steps))

    def clear(self) -> None:
        """Forget rules, offers, faults, requests, and what went unanswered."""
        self._rules.clear()
        self._offers.clear()
        self.clear_faults()
        with self._lock:
            self._requests.clear()

    @property
    def unanswered(self) -> Sequence[Question]:
        """The questions no rule was for."""
        return self._rules.unanswered

    def assert_all_answered(self) -> None:
        """Check that every question had a rule. Raises `AssertionError`."""
        if unanswered := self.unanswered:
            listed = "".join(f"\n  {one.model}: {one.text[:200]!r}" for one in unanswered)
            raise AssertionError(f"no rule was for these questions:{listed}")

    def _make_app(self) -> App:
        return _ScriptedApp(
            self._models,
            self._rules,
            self._offers,
            self._scheduling,
            dimensions=self._dimensions,
            load_s=self._load_s,
            check_host=self._address[0] in ("127.0.0.1", "::1", "localhost"),
        )


class _ScriptedApp:
    """The application, and the folder its models' heads are in."""

    def __init__(
        self,
        models: Mapping[ModelName, Sequence[str]] | None,
        rules: Rules,
        offers: Offers,
        scheduling: Scheduling,
        *,
        dimensions: int,
        load_s: float,
        check_host: bool,
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="arriero-testing-")
        scripted = ScriptedModels(Path(self._folder), models, dimensions, offers.has)
        store = Store()
        self._app = Application(
            scripted,
            scheduling,
            script_loader(rules, dimensions=dimensions, load_s=load_s),
            check_host=check_host,
            store=store,
            transfers=ScriptedTransfers(scripted, StoreCatalogue(store, scripted), offers),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    async def close(self) -> None:
        await self._app.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _named(models: Iterable[str] | Mapping[str, Sequence[str]]) -> dict[ModelName, Sequence[str]]:
    given: Mapping[str, Sequence[str]]
    if isinstance(models, Mapping):
        given = cast("Mapping[str, Sequence[str]]", models)
    else:
        given = dict.fromkeys(models, ABILITIES)
    found: dict[ModelName, Sequence[str]] = {}
    for name, abilities in given.items():
        try:
            found[parse_name(name)] = abilities
        except InvalidName as cause:
            raise RequestError(
                f"models: {name!r} is not a model name; use letters, digits, _ - ."
            ) from cause
        if unknown := set(abilities) - set(ABILITIES):
            raise RequestError(
                f"models: {name}: unknown capabilities {sorted(unknown)}; use {list(ABILITIES)}"
            )
    return found
