"""Models in processes of their own, so that a crash of llama.cpp ends an answer and nothing else.

The process is `child`; they speak `frames`. When it ends without being told to, everything it was
asked fails, and the scheduler loads the model anew for the next request. One that goes on although
nobody wants its answer is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from .engine import Conversation, Delta, Emit, EngineError, Finish, LoadPlan, Sampling
from .frames import (
    FIRST_STEPS,
    Answered,
    Ask,
    Chat,
    Complete,
    Detokenize,
    Embed,
    Failed,
    FromChild,
    Go,
    Load,
    Loaded,
    Message,
    Reader,
    Render,
    Step,
    Stop,
    Tokenize,
    Writer,
)

T = TypeVar("T")

_log = logging.getLogger("arriero.server")

_BOOT = (
    "import sys; sys.path[:] = sys.argv[1:]; from arriero.server.engines.child import main; main()"
)
"""The child finds modules where its parent does, however the parent came to its path."""

_LOOK_S = 0.25
"""How often a generation that says nothing asks whether anybody still wants it."""

_PATIENCE_S = 10.0
"""How long a generation may go on after it was told to stop. One batch of a long prompt takes less;
a grammar that llama.cpp gets lost in takes for ever."""

_END_S = 5.0
"""How long a process may take to end after its pipe was closed."""

_LAST_LINES = 5
"""Of the child's standard error, for the log after a crash."""

_GONE = "an error was encountered while running the model: unexpected EOF"
"""What Ollama says of an answer whose runner died."""


def start_llama(
    path: Path,
    plan: LoadPlan,
    *,
    template: str | None = None,
    embedding: bool = False,
    mean_pooling: bool = False,
    adapters: Sequence[Path] = (),
    projector: Path | None = None,
) -> ProcessEngine:
    """Load a GGUF file in a new process. Blocks. The arguments are those of `llama.load_llama`.

    Raises:
        EngineError: llama.cpp cannot load the file, or the process did not come up.
    """
    files = [str(adapter) for adapter in adapters]
    sight = None if projector is None else str(projector)
    load = Load(str(path), plan, template, embedding, mean_pooling, files, sight)
    command = (sys.executable, "-c", _BOOT, *sys.path)
    pipe = subprocess.PIPE
    try:
        # A session of its own: Ctrl-C is for the server, which lets answers finish.
        child = subprocess.Popen(  # noqa: S603  # nothing of it comes from a request
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            # A debugger's listing would bury what llama.cpp says last.
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )
    except OSError as cause:
        raise EngineError(500, f"cannot start a process for {path.name}: {cause}") from cause
    engine = ProcessEngine(child, path.name)
    try:
        engine.load(load)
    except BaseException:
        engine.close()
        raise
    return engine


class ProcessEngine:
    """One model in a process of its own. See `Engine`.

    Args:
        child: The process, just started.
        name: What it is called in the log.
    """

    def __init__(self, child: subprocess.Popen[bytes], name: str) -> None:
        self._child = child
        self._name = name
        pipes = (child.stdin, child.stdout, child.stderr)
        self._stdin, self._stdout, self._stderr = cast("tuple[BinaryIO, BinaryIO, BinaryIO]", pipes)
        self._writer = Writer(self._stdin)
        self._reader: Reader[FromChild] = Reader(self._stdout, cast("type[FromChild]", FromChild))
        self._lock = threading.Lock()
        self._asks: dict[int, SimpleQueue[FromChild | None]] = {}
        self._last_number = 0
        self._ended = False
        self._closing = False
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._sizes = Loaded(0, 0)
        self._threads = [
            threading.Thread(target=work, name=f"arriero-{kind}-{child.pid}")
            for kind, work in (("answers", self._distribute), ("words", self._listen))
        ]

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._child.pid

    @property
    def is_broken(self) -> bool:
        """Whether the process has ended."""
        return self._ended or self._child.poll() is not None

    @property
    def size_bytes(self) -> int:
        """See `Engine.size_bytes`."""
        return self._sizes.size_bytes

    @property
    def vram_bytes(self) -> int:
        """See `Engine.vram_bytes`."""
        return self._sizes.vram_bytes

    def load(self, load: Load) -> None:
        """Have the model loaded; once, first of all. Raises `EngineError`."""
        self._threads[1].start()
        try:
            self._writer.write(load)
            answer = self._reader.read()
        except (OSError, msgspec.MsgspecError):
            answer = None
        if isinstance(answer, Failed):
            raise answer.error
        if not isinstance(answer, Loaded):
            raise EngineError(500, f"llama runner process has terminated: {self._how_it_ended()}")
        self._sizes = answer
        self._threads[0].start()

    def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
        """See `Engine.chat`."""
        return self._generate(lambda number: Chat(number, conversation, sampling), emit)

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        """See `Engine.complete`."""
        return self._generate(lambda number: Complete(number, prompt, sampling), emit)

    def render(self, conversation: Conversation) -> str:
        """See `Engine.render`."""
        return self._get(lambda number: Render(number, conversation), str)

    def tokenize(self, text: str) -> list[int]:
        """See `Engine.tokenize`."""
        return self._get(lambda number: Tokenize(number, text), list[int])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return self._get(lambda number: Detokenize(number, tokens), str)

    def embed(self, texts: Sequence[str | Sequence[int]]) -> tuple[list[list[float]], int]:
        """See `Engine.embed`."""
        return self._get(lambda number: Embed(number, texts), tuple[list[list[float]], int])

    def close(self) -> None:
        """End the process, and wait until it has ended. See `Engine.close`."""
        self._closing = True
        with suppress(OSError):  # it has ended already
            self._stdin.close()
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._stdout.close()
        self._stderr.close()

    def _get(self, ask: Callable[[int], Ask], kind: type[T]) -> T:
        return msgspec.convert(self._ask(ask, None), kind)

    def _generate(self, ask: Callable[[int], Ask], emit: Emit) -> Finish:
        return msgspec.convert(self._ask(ask, emit), Finish)

    def _ask(self, ask: Callable[[int], Ask], emit: Emit | None) -> Any:
        """Ask, pass on the steps, give what it came to. Raises `EngineError`."""
        answers: SimpleQueue[FromChild | None] = SimpleQueue()
        with self._lock:
            self._last_number += 1
            number = self._last_number
            self._asks[number] = answers
        try:
            self._write(ask(number))
            return _Reading(self, number, answers, emit).run()
        finally:
            with self._lock:
                del self._asks[number]

    def _write(self, message: Message) -> None:
        try:
            if self.is_broken:
                raise BrokenPipeError
            self._writer.write(message)
        except OSError as cause:
            raise gone() from cause

    def tell(self, message: Message) -> None:
        """Tell the process something; nothing happens if it has ended, which shows elsewhere."""
        with suppress(OSError):
            self._writer.write(message)

    def kill(self) -> None:
        """End the process at once; everything it was asked fails."""
        _log.warning("%s: process %d does not stop and is killed", self._name, self.pid)
        self._child.kill()

    def _distribute(self) -> None:
        """Runs on a thread: hand what the process says to whoever asked."""
        try:
            while (message := self._reader.read()) is not None:
                number = 0 if isinstance(message, Loaded) else message.number
                with self._lock:
                    answers = self._asks.get(number)
                if answers is not None:
                    answers.put(message)
        except (OSError, msgspec.MsgspecError):
            self._child.kill()
        self._ended = True
        if not self._closing:
            _log.error("%s: the process of the model ended: %s", self._name, self._how_it_ended())
        with self._lock:
            for answers in self._asks.values():
                answers.put(None)

    def _listen(self) -> None:
        """Runs on a thread: keep the last words of the process for the log."""
        for line in self._stderr:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._words.append(text)
                _log.debug("%s: %s", self._name, text)

    def _how_it_ended(self) -> str:
        code = self._child.wait()
        self._threads[1].join(_END_S)
        try:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        except ValueError:
            how = f"signal {-code}"
        return ": ".join((how, *self._words))


class _Reading:
    """One ask, from its first answer to its last."""

    def __init__(
        self,
        engine: ProcessEngine,
        number: int,
        answers: SimpleQueue[FromChild | None],
        emit: Emit | None,
    ) -> None:
        self._engine = engine
        self._number = number
        self._answers = answers
        self._emit = emit
        self._taken = 0
        self._kill_at_s: float | None = None

    def run(self) -> Any:
        """Pass the steps on until the last answer; give its value. Raises `EngineError`."""
        while True:
            try:
                message = self._answers.get(timeout=_LOOK_S)
            except Empty:
                self._pass(Delta())
                continue
            if message is None:
                raise gone()
            if isinstance(message, Answered):
                return message.value
            if isinstance(message, Failed):
                raise message.error
            if isinstance(message, Step):
                self._pass(message.delta)
                self._make_room()

    def _pass(self, delta: Delta) -> None:
        if self._kill_at_s is not None:
            if time.monotonic() > self._kill_at_s:
                self._engine.kill()
        elif self._emit is not None and self._emit(delta):
            self._engine.tell(Stop(self._number))
            self._kill_at_s = time.monotonic() + _PATIENCE_S

    def _make_room(self) -> None:
        self._taken += 1
        if self._taken == FIRST_STEPS // 2:
            self._engine.tell(Go(self._number, self._taken))
            self._taken = 0


def gone() -> EngineError:
    """The error of an answer whose process has ended."""
    return EngineError(500, _GONE, "unexpected EOF")
