# Generated from arriero/_async/inference.py by tools/unasync.py: edit that file.
"""`Client`, first part: chat, generate, embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from arriero._core.api import embed, inference
from arriero._core.api.arguments import KeepAlive
from arriero._core.arrays import array_of
from arriero._drive.stream import Stream
from arriero._drive.threads import SyncBase
from arriero.settings import CallPolicy, Timeouts
from arriero.types.chat import ChatResponse, GenerateResponse, Message
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.options import Options

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class InferenceCalls(SyncBase):
    """Calls that run a model."""

    @overload
    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Any] | None = None,
        stream: Literal[False] = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ChatResponse: ...

    @overload
    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Any] | None = None,
        stream: Literal[True],
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Stream[ChatResponse]: ...

    @overload
    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Any] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ChatResponse | Stream[ChatResponse]: ...

    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Any] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Any:
        """Give the next message of a conversation.

        Args:
            model: Name with optional tag, as shown by `list`.
            messages: The conversation so far, dicts or `Message`. None or empty loads the
                model and answers nothing. Images in a message: see `generate`.
            tools: Functions the model may ask to have called: Python functions, schemas
                as dicts (sent untouched), or `Tool`.
            stream: True gives a stream of parts instead of the whole answer.
            think: True, False or a level, for models that reason first; None leaves the
                model's default, which is to think.
            logprobs: True adds the log probability of each token.
            top_logprobs: Alternatives for each token, 0 to 20; needs `logprobs`.
            format: ``"json"``, a JSON Schema as a dict, or a class (pydantic, dataclass,
                TypedDict, msgspec, list of them) whose object ``response.parsed`` gives.
            options: Such as ``temperature``, ``num_ctx``, ``seed``; see `Options`.
            keep_alive: How long the model stays loaded afterwards: seconds, ``"5m"`` or a
                `timedelta`; negative is forever, 0 unloads it.
            truncate: False refuses a conversation too long for the context instead of
                dropping its oldest messages.
            shift: False stops at the end of the context instead of moving on.
            debug_render_only: True gives the prompt as the model would see it
                (``response["_debug_info"]``) instead of an answer.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            ModelNotFound: pull the model first.
            CapabilityError: the model has no chat, tools or thinking.
            ContextOverflow: the conversation does not fit.
            ParseError: the answer does not fit the class given as `format`.
        """
        return self._run(
            inference.chat(
                model,
                messages,
                tools=tools,
                stream=stream,
                think=think,
                logprobs=logprobs,
                top_logprobs=top_logprobs,
                format=format,
                options=options,
                keep_alive=keep_alive,
                truncate=truncate,
                shift=shift,
                debug_render_only=debug_render_only,
                timeouts=timeouts,
            ),
            policy,
        )

    @overload
    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: Literal[False] = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Any = None,
        images: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> GenerateResponse: ...

    @overload
    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: Literal[True],
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Any = None,
        images: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Stream[GenerateResponse]: ...

    @overload
    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Any = None,
        images: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> GenerateResponse | Stream[GenerateResponse]: ...

    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Any = None,
        images: Any = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
        debug_render_only: bool | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Any:
        """Complete a prompt.

        Args:
            model: Name with optional tag, as shown by `list`.
            prompt: What to complete. None or empty loads the model and answers nothing.
            suffix: What follows the completion, for models that fill in the middle.
            system: Instead of the model's system text.
            template: Instead of the model's prompt template.
            context: Tokens of an earlier answer; deprecated by Ollama.
            stream: True gives a stream of parts instead of the whole answer.
            think: As for `chat`.
            logprobs: As for `chat`.
            top_logprobs: As for `chat`.
            raw: True sends the prompt to the model as it is, without a template.
            format: As for `chat`.
            images: One or several: a path, bytes, base64 text, a ``data:`` URI, a binary
                file or a PIL image. Files are read when the request is sent.
            options: As for `chat`.
            keep_alive: As for `chat`.
            width: Pixels of a generated image; servers 0.14.3 to 0.32.5.
            height: Likewise.
            steps: Diffusion steps; likewise.
            truncate: As for `chat`.
            shift: As for `chat`.
            debug_render_only: As for `chat`.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            As `chat`.
        """
        return self._run(
            inference.generate(
                model,
                prompt,
                suffix,
                system=system,
                template=template,
                context=context,
                stream=stream,
                think=think,
                logprobs=logprobs,
                top_logprobs=top_logprobs,
                raw=raw,
                format=format,
                images=images,
                options=options,
                keep_alive=keep_alive,
                width=width,
                height=height,
                steps=steps,
                truncate=truncate,
                shift=shift,
                debug_render_only=debug_render_only,
                timeouts=timeouts,
            ),
            policy,
        )

    def embed(
        self,
        model: str = "",
        input: str | Sequence[str] = "",
        truncate: bool | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        dimensions: int | None = None,
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> EmbedResponse:
        """Give a vector of unit length for each text, in their order.

        Args:
            model: Name with optional tag.
            input: One text or several; empty loads the model and gives no vector.
            truncate: False refuses texts longer than the context instead of cutting them.
            options: As for `chat`.
            keep_alive: As for `chat`.
            dimensions: Length of each vector; the server ignores more than the model has.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            ContextOverflow: a text is too long and `truncate` is False.
        """
        result: EmbedResponse = self._run(
            embed.embed(
                model,
                input,
                truncate,
                options=options,
                keep_alive=keep_alive,
                dimensions=dimensions,
                timeouts=timeouts,
            ),
            policy,
        )
        return result

    def embed_array(
        self,
        model: str,
        input: str | Sequence[str],
        *,
        dimensions: int | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> NDArray[float32]:
        """Give the vectors of `embed` as one NumPy array of shape (texts, dimensions).

        The vectors travel as bytes instead of decimal text, which takes a fraction of the
        time and the memory of `embed`. Needs NumPy.

        Args:
            model: Name with optional tag.
            input: One text or several, not empty.
            dimensions: Length of each vector; the server ignores more than the model has.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            MissingExtra: NumPy is not installed.
            ProtocolError: the server sent fewer vectors than texts, or of unequal length.
        """
        texts = embed.texts_of(input)
        encoded = self._run(
            embed.embed_encoded(model, texts, dimensions=dimensions, timeouts=timeouts), policy
        )
        if encoded is None:  # a server without the route that sends bytes
            encoded = self.embed(model, texts, dimensions=dimensions, timeouts=timeouts)
        return array_of(encoded, len(texts))

    def embeddings(
        self,
        model: str = "",
        prompt: str | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: KeepAlive | None = None,
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> EmbeddingsResponse:
        """Give one vector, not normalised, by Ollama's older endpoint. Prefer `embed`."""
        result: EmbeddingsResponse = self._run(
            embed.embeddings(
                model, prompt, options=options, keep_alive=keep_alive, timeouts=timeouts
            ),
            policy,
        )
        return result
