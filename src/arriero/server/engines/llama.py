"""Models in GGUF files, run by llama.cpp inside the process that loads them.

The package `xllamacpp` brings llama.cpp's own server: continuous batching over slots,
grammars, and the parsing of tool calls and reasoning. Generation goes through its
in-process entry points. Templates and tokens are only offered by its HTTP side, which
listens on a loopback port whether one wants it or not; a random key shuts everybody
else out.
"""

from __future__ import annotations

import http.client
import os
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from ...errors import MissingExtra
from .chunks import ChatAnswer, TextAnswer, raise_refusal
from .engine import Conversation, Emit, EngineError, Finish, LoadPlan, Sampling
from .schemas import check_schema

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_HTTP_THREADS = 2
"""Threads of the inner HTTP side; it only serves short template and token calls."""

_QUIET = -1
"""Below llama.cpp's lowest log level: not even errors go to the standard streams. They
come back as `EngineError` instead."""

_BATCH = 512
"""Prompt tokens per step, as in Ollama. llama.cpp's 2048 would hold up other streams, and a
cancelled request, four times as long."""

_SMALL_BYTES = 32 * 1024 * 1024
"""A model below this size samples on one thread where the request names no number: threads
that wait for each other cost twice the processor time there and gain nothing."""

_SMALL_BATCH_THREADS = 4
"""Reading a long prompt is worth some threads even then."""

_SAMPLING_NAMES = {
    "seed": "seed",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repeat_last_n": "repeat_last_n",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "stop": "stop",
    "num_keep": "n_keep",
}
"""Ollama's option names and llama.cpp's request fields."""


def load_llama(
    path: Path,
    plan: LoadPlan,
    *,
    template: str | None = None,
    embedding: bool = False,
    mean_pooling: bool = False,
    adapters: Sequence[Path] = (),
    projector: Path | None = None,
) -> LlamaEngine:
    """Load a GGUF file. Blocks, and holds the interpreter lock while llama.cpp reads it.

    Args:
        path: The file.
        plan: How to load it.
        template: Jinja chat template to use instead of the file's own.
        embedding: Load for vectors instead of text.
        mean_pooling: Average over tokens where the file names no pooling.
        adapters: LoRA files to load on top.
        projector: File that turns pictures into tokens.

    Raises:
        MissingExtra: `xllamacpp` is not installed.
        EngineError: llama.cpp cannot load the file.
    """
    try:
        # Imported by name because it has no types; `Any` stays within this module.
        xllamacpp: Any = import_module("xllamacpp")
    except ImportError as cause:
        raise MissingExtra(
            "running models needs llama.cpp: pip install 'arriero[server]'"
        ) from cause

    key = secrets.token_urlsafe(32)
    params: Any = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = _QUIET
    params.api_keys = [key]
    params.n_threads_http = _HTTP_THREADS
    # A warm-up run would double the time to load and serves only the first request.
    params.warmup = False
    # llama.cpp would keep up to 8 GiB of old prompts in memory by default.
    params.cache_ram_mib = 0
    params.use_jinja = True
    params.ui = False
    size_bytes = path.stat().st_size
    if size_bytes < _SMALL_BYTES:
        params.cpuparams.n_threads = 1
        params.cpuparams_batch.n_threads = min(_SMALL_BATCH_THREADS, os.cpu_count() or 1)
    _apply_plan(params, plan, xllamacpp)
    if template is not None:
        params.chat_template = template
    if adapters:
        params.lora_adapters = [
            xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0) for adapter in adapters
        ]
    if projector is not None:
        params.mmproj.path = str(projector)
    if embedding:
        params.embedding = True
        params.n_parallel = 1
        params.n_ctx = plan.context_length
        # A text must fit into one physical batch to be pooled.
        params.n_batch = params.n_ubatch = plan.context_length
        if mean_pooling:
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.endpoint_metrics = True
    try:
        server: Any = xllamacpp.Server(params)
        # Answered by the loop over the slots, which a thread begins a moment after loading. A
        # server that is ended before that waits for its loop for ever.
        server.handle_metrics()
    except Exception as cause:
        raise EngineError(500, f"llama.cpp could not load {path.name}: {cause}") from cause
    return LlamaEngine(server, key, size_bytes=size_bytes)


def _apply_plan(params: Any, plan: LoadPlan, xllamacpp: Any) -> None:
    params.n_ctx = plan.context_length * plan.slots
    params.n_parallel = plan.slots
    params.ctx_shift = plan.shift
    params.n_gpu_layers = plan.gpu_layers
    params.n_batch = plan.batch or _BATCH
    params.n_ubatch = min(params.n_batch, params.n_ubatch)
    if plan.threads > 0:
        params.cpuparams.n_threads = plan.threads
        params.cpuparams_batch.n_threads = plan.threads
    if plan.main_gpu is not None:
        params.main_gpu = plan.main_gpu
    if plan.use_mmap is not None:
        mode = xllamacpp.llama_load_mode
        params.load_mode = mode.LLAMA_LOAD_MODE_MMAP if plan.use_mmap else mode.LLAMA_LOAD_MODE_NONE


class LlamaEngine:
    """One loaded GGUF file. See `Engine`."""

    def __init__(self, server: Any, key: str, *, size_bytes: int) -> None:
        self._server: Any = server
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        address = str(server.listening_address).removeprefix("http://")
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._size_bytes = size_bytes

    @property
    def is_broken(self) -> bool:
        """Never: what breaks llama.cpp takes the whole process along."""
        return False

    @property
    def size_bytes(self) -> int:
        """Memory the model holds, about: the file, mapped or read."""
        return self._size_bytes

    @property
    def vram_bytes(self) -> int:
        """Always 0: llama.cpp does not report where the layers went."""
        return 0

    def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
        """Answer a conversation. See `Engine.chat`."""
        request = _template_request(conversation) | _sampling_request(sampling)
        if sampling.max_tokens is not None:
            request["max_tokens"] = sampling.max_tokens
        if sampling.top_logprobs is not None:
            # One alternative is the least llama.cpp reports logprobs with.
            request |= {"logprobs": True, "top_logprobs": max(1, sampling.top_logprobs)}
        if sampling.format is not None:
            schema = {"type": "json_schema", "json_schema": {"schema": sampling.format}}
            request["response_format"] = schema
        answer = ChatAnswer(emit, sampling, _beginning(conversation))
        with _refusals():
            self._server.handle_chat_completions(_encode(request).decode(), answer.take)
        return answer.finish()

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        """Continue a prompt. See `Engine.complete`."""
        request = {"prompt": prompt} | _sampling_request(sampling)
        if sampling.max_tokens is not None:
            request["n_predict"] = sampling.max_tokens
        if sampling.top_logprobs is not None:
            request["n_probs"] = max(1, sampling.top_logprobs)
        if sampling.format is not None:
            check_schema(sampling.format)
            request["json_schema"] = sampling.format
        answer = TextAnswer(emit, sampling)
        with _refusals():
            self._server.handle_completions(_encode(request).decode(), answer.take)
        return answer.finish()

    def render(self, conversation: Conversation) -> str:
        """Apply the chat template. See `Engine.render`."""
        return str(self._post("/apply-template", _template_request(conversation))["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text. See `Engine.tokenize`."""
        body = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = self._post("/tokenize", body)["tokens"]
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Text of token ids. See `Engine.detokenize`."""
        return str(self._post("/detokenize", {"tokens": list(tokens)})["content"])

    def embed(self, texts: Sequence[str | Sequence[int]]) -> tuple[list[list[float]], int]:
        """Return one unit vector per text. See `Engine.embed`."""
        reply: Any = _decode(
            self._server.handle_embeddings(_encode({"input": list(texts)}).decode())
        )
        raise_refusal(reply)
        rows = sorted(reply["data"], key=lambda row: int(row["index"]))
        return [row["embedding"] for row in rows], int(reply["usage"]["prompt_tokens"])

    def close(self) -> None:
        """Unload the model and end llama.cpp's threads."""
        # Releasing the only reference ends the inner server and joins its threads. No other
        # may exist, not even in a local variable: the traceback of a refusal would keep it.
        self._server = None

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request("POST", path, _encode(body), self._headers)
            reply: Any = _decode(connection.getresponse().read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as cause:
            raise EngineError(500, f"llama.cpp did not answer {path}: {cause}") from cause
        finally:
            connection.close()
        raise_refusal(reply)
        return reply


def _template_request(conversation: Conversation) -> dict[str, Any]:
    # Templates differ in the name they read; unknown variables are ignored.
    variables: dict[str, Any] = {"enable_thinking": conversation.think}
    if conversation.effort is not None:
        variables["reasoning_effort"] = conversation.effort
    request: dict[str, Any] = {
        "messages": list(conversation.messages),
        "chat_template_kwargs": variables,
    }
    if conversation.tools:
        request["tools"] = list(conversation.tools)
        request["parallel_tool_calls"] = True
    return request


def _beginning(conversation: Conversation) -> str:
    """Text of an answer the caller has begun, to be continued; or ""."""
    if not conversation.messages or conversation.messages[-1].get("role") != "assistant":
        return ""
    content = conversation.messages[-1].get("content")
    return content if isinstance(content, str) else ""


def _sampling_request(sampling: Sampling) -> dict[str, Any]:
    request: dict[str, Any] = {
        _SAMPLING_NAMES[name]: value
        for name, value in sampling.options.items()
        if name in _SAMPLING_NAMES
    }
    # Progress records let a cancelled request stop between batches of a long prompt.
    return request | {"stream": True, "return_progress": True}


@contextmanager
def _refusals() -> Generator[None]:
    """Turn what xllamacpp raises into the errors llama.cpp's server would have sent."""
    try:
        yield
    except ValueError as cause:
        raise _error(400, str(cause), "invalid_request_error") from cause
    except RuntimeError as cause:
        raise _error(500, str(cause), "server_error") from cause


def _error(code: int, message: str, kind: str) -> EngineError:
    """An error in the shape llama.cpp gives its own, which Ollama passes on as text."""
    body = {"error": {"code": code, "message": message, "type": kind}}
    return EngineError(code, _encode(body).decode(), message, kind)
