# Generated from arriero/_async/client.py by tools/unasync.py: edit that file.
"""`Client`: every endpoint of Ollama's API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from arriero._core.api import embed, inference, models, service
from arriero._core.api.arguments import KeepAlive
from arriero._core.arrays import array_of
from arriero._drive.threads import Stream, SyncBase
from arriero.settings import Timeouts
from arriero.types.chat import ChatResponse, GenerateResponse, Message
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.models import (
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    StatusResponse,
)
from arriero.types.options import Options
from arriero.types.raw import RawRecord, RawResponse
from arriero.types.service import (
    MeResponse,
    ServerStatusResponse,
    SystemOneContent,
    SystemOneResponse,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
)

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class Client(SyncBase):
    """A client of one Ollama server.

    Shared between calls, and closed by `close` or by leaving the context.
    Methods take the arguments of the `ollama` package in its order; each also takes
    `timeouts`, which replaces the client's budgets for that call.

    Raises, from every method: `RequestError` at once for wrong arguments; `ConnectFailed`,
    `ConnectionLost`, `DeadlineExceeded`, `StatusError`, `ProtocolError` from the call.
    """

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
            )
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
            )
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
            )
        )
        return result

    def embed_array(
        self,
        model: str,
        input: str | Sequence[str],
        *,
        dimensions: int | None = None,
        timeouts: Timeouts | None = None,
    ) -> NDArray[float32]:
        """Give the vectors of `embed` as one NumPy array of shape (texts, dimensions).

        The vectors travel as bytes instead of decimal text, which takes a fraction of the
        time and the memory of `embed`. Needs NumPy.

        Args:
            model: Name with optional tag.
            input: One text or several, not empty.
            dimensions: Length of each vector; the server ignores more than the model has.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            MissingExtra: NumPy is not installed.
            ProtocolError: the server sent fewer vectors than texts, or of unequal length.
        """
        texts = embed.texts_of(input)
        encoded = self._run(
            embed.embed_encoded(model, texts, dimensions=dimensions, timeouts=timeouts)
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
    ) -> EmbeddingsResponse:
        """Give one vector, not normalised, by Ollama's older endpoint. Prefer `embed`."""
        result: EmbeddingsResponse = self._run(
            embed.embeddings(
                model, prompt, options=options, keep_alive=keep_alive, timeouts=timeouts
            )
        )
        return result

    def list(self, *, timeouts: Timeouts | None = None) -> ListResponse:
        """List the models the server has, newest first."""
        result: ListResponse = self._run(models.list_models(timeouts=timeouts))
        return result

    def ps(self, *, timeouts: Timeouts | None = None) -> ProcessResponse:
        """List the models the server has loaded."""
        result: ProcessResponse = self._run(models.ps(timeouts=timeouts))
        return result

    def show(
        self,
        model: str,
        *,
        verbose: bool | None = None,
        system: str | None = None,
        options: Mapping[str, Any] | Options | None = None,
        timeouts: Timeouts | None = None,
    ) -> ShowResponse:
        """Tell everything about one model.

        Args:
            model: Name with optional tag.
            verbose: True includes the long arrays of the metadata, such as the vocabulary.
            system: Shown in place of the model's system text.
            options: Shown among the parameters of ``modelfile``.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            ModelNotFound: there is no such model.
        """
        result: ShowResponse = self._run(
            models.show(model, verbose=verbose, system=system, options=options, timeouts=timeouts)
        )
        return result

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[False] = False,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[True],
        timeouts: Timeouts | None = None,
    ) -> Stream[ProgressResponse]: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse | Stream[ProgressResponse]: ...

    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
    ) -> Any:
        """Have the server download a model.

        Args:
            model: Name with optional registry, namespace and tag.
            insecure: True lets the server speak plain http to the registry.
            stream: True gives progress as it happens. Without it the server is silent
                until the end, so only `timeouts` given here limit the wait.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            StreamFailed: (streaming) the registry has no such model, or the download failed.
            ServerError: the same without stream.
        """
        return self._run(models.pull(model, insecure=insecure, stream=stream, timeouts=timeouts))

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[False] = False,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[True],
        timeouts: Timeouts | None = None,
    ) -> Stream[ProgressResponse]: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse | Stream[ProgressResponse]: ...

    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
    ) -> Any:
        """Have the server upload a model; arguments and errors as for `pull`."""
        return self._run(models.push(model, insecure=insecure, stream=stream, timeouts=timeouts))

    @overload
    def create(
        self,
        model: str,
        quantize: str | None = None,
        from_: str | None = None,
        files: Mapping[str, str] | None = None,
        adapters: Mapping[str, str] | None = None,
        template: str | None = None,
        license: str | Sequence[str] | None = None,
        system: str | None = None,
        parameters: Mapping[str, Any] | Options | None = None,
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        stream: Literal[False] = False,
        draft_files: Mapping[str, str] | None = None,
        draft_quantize: str | None = None,
        remote_host: str | None = None,
        renderer: str | None = None,
        parser: str | None = None,
        requires: str | None = None,
        info: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse: ...

    @overload
    def create(
        self,
        model: str,
        quantize: str | None = None,
        from_: str | None = None,
        files: Mapping[str, str] | None = None,
        adapters: Mapping[str, str] | None = None,
        template: str | None = None,
        license: str | Sequence[str] | None = None,
        system: str | None = None,
        parameters: Mapping[str, Any] | Options | None = None,
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        stream: Literal[True],
        draft_files: Mapping[str, str] | None = None,
        draft_quantize: str | None = None,
        remote_host: str | None = None,
        renderer: str | None = None,
        parser: str | None = None,
        requires: str | None = None,
        info: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> Stream[ProgressResponse]: ...

    @overload
    def create(
        self,
        model: str,
        quantize: str | None = None,
        from_: str | None = None,
        files: Mapping[str, str] | None = None,
        adapters: Mapping[str, str] | None = None,
        template: str | None = None,
        license: str | Sequence[str] | None = None,
        system: str | None = None,
        parameters: Mapping[str, Any] | Options | None = None,
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        stream: bool = False,
        draft_files: Mapping[str, str] | None = None,
        draft_quantize: str | None = None,
        remote_host: str | None = None,
        renderer: str | None = None,
        parser: str | None = None,
        requires: str | None = None,
        info: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> ProgressResponse | Stream[ProgressResponse]: ...

    def create(
        self,
        model: str,
        quantize: str | None = None,
        from_: str | None = None,
        files: Mapping[str, str] | None = None,
        adapters: Mapping[str, str] | None = None,
        template: str | None = None,
        license: str | Sequence[str] | None = None,
        system: str | None = None,
        parameters: Mapping[str, Any] | Options | None = None,
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        stream: bool = False,
        draft_files: Mapping[str, str] | None = None,
        draft_quantize: str | None = None,
        remote_host: str | None = None,
        renderer: str | None = None,
        parser: str | None = None,
        requires: str | None = None,
        info: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> Any:
        """Have the server build a model, replacing one of the same name.

        Args:
            model: Name of the new model.
            quantize: Such as ``Q4_K_M``; the source must not be quantised yet.
            from_: Model to build on; pulled if the server does not have it.
            files: File names and the digests `create_blob` gave, instead of `from_`.
            adapters: LoRA adapters, likewise.
            template: Prompt template in Go's syntax.
            license: One text or several, added to those of `from_`.
            system: System text.
            parameters: Options that become the model's own.
            messages: Conversation put before every other.
            stream: True gives progress as it happens.
            draft_files: Model for speculative decoding, as `files`.
            draft_quantize: Likewise, as `quantize`.
            remote_host: Server that runs the model instead.
            renderer: Name of a built-in prompt renderer.
            parser: Name of a built-in output parser.
            requires: Lowest server version.
            info: Overrides of the model's description.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            BadRequest: the arguments make no model.
            StreamFailed: (streaming) a blob is missing or no model.
        """
        return self._run(
            models.create(
                model,
                quantize,
                from_,
                files,
                adapters,
                template,
                license,
                system,
                parameters,
                messages,
                stream=stream,
                draft_files=draft_files,
                draft_quantize=draft_quantize,
                remote_host=remote_host,
                renderer=renderer,
                parser=parser,
                requires=requires,
                info=info,
                timeouts=timeouts,
            )
        )

    def create_blob(self, path: str | os.PathLike[str], *, timeouts: Timeouts | None = None) -> str:
        """Upload a file for `create`, unless the server has it, and give its digest.

        The file is streamed from disk; memory stays constant.

        Raises:
            RequestError: the file cannot be read.
        """
        return self._drive(models.create_blob(self._target, os.fspath(path), timeouts=timeouts))

    def blob_exists(self, digest: str, *, timeouts: Timeouts | None = None) -> bool:
        """Tell whether the server has the blob ``sha256:...``."""
        result: bool = self._run(models.blob_exists(digest, timeouts=timeouts))
        return result

    def copy(
        self, source: str, destination: str, *, timeouts: Timeouts | None = None
    ) -> StatusResponse:
        """Give a model a second name; an existing one of that name is replaced.

        Raises:
            ModelNotFound: there is no such source.
        """
        result: StatusResponse = self._run(models.copy(source, destination, timeouts=timeouts))
        return result

    def delete(self, model: str, *, timeouts: Timeouts | None = None) -> StatusResponse:
        """Delete a model and what no other model needs of it.

        Raises:
            ModelNotFound: there is no such model.
        """
        result: StatusResponse = self._run(models.delete(model, timeouts=timeouts))
        return result

    def load(
        self,
        model: str,
        *,
        keep_alive: KeepAlive | None = None,
        options: Mapping[str, Any] | Options | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Load a model, embedding models included, and return when it is ready.

        Args:
            model: Name with optional tag.
            keep_alive: How long it stays; negative is forever.
            options: Those read at loading, such as ``num_ctx``.
            timeouts: Budgets of this call, instead of the client's.
        """
        self._drive(
            models.load(
                self._target, model, keep_alive=keep_alive, options=options, timeouts=timeouts
            )
        )

    def unload(self, model: str, *, timeouts: Timeouts | None = None) -> None:
        """Unload a model once its running requests are done; fine if it is not loaded."""
        self._run(models.unload(model, timeouts=timeouts))

    def version(self, *, timeouts: Timeouts | None = None) -> VersionResponse:
        """Tell the server's version."""
        result: VersionResponse = self._run(service.version(timeouts=timeouts))
        return result

    def status(self, *, timeouts: Timeouts | None = None) -> ServerStatusResponse:
        """Tell whether the server may use models that run elsewhere."""
        result: ServerStatusResponse = self._run(service.status(timeouts=timeouts))
        return result

    def me(self, *, timeouts: Timeouts | None = None) -> MeResponse:
        """Tell the account the server is signed in with.

        Raises:
            AccessDenied: it is not; ``error.signin_url`` says where to.
        """
        result: MeResponse = self._run(service.me(timeouts=timeouts))
        return result

    def web_search(
        self, query: str, max_results: int = 3, *, timeouts: Timeouts | None = None
    ) -> WebSearchResponse:
        """Search the web through ollama.com.

        Args:
            query: What to look for. It leaves this machine.
            max_results: 1 to 10.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            RequestError: `OLLAMA_API_KEY` was not set when the client was made.
        """
        result: WebSearchResponse = self._run(
            service.web_search(query, max_results, api_key=self._setup.api_key, timeouts=timeouts)
        )
        return result

    def web_fetch(self, url: str, *, timeouts: Timeouts | None = None) -> WebFetchResponse:
        """Fetch a page through ollama.com.

        Args:
            url: Address of the page. It leaves this machine.
            timeouts: Budgets of this call, instead of the client's.

        Raises:
            RequestError: `OLLAMA_API_KEY` was not set when the client was made.
        """
        result: WebFetchResponse = self._run(
            service.web_fetch(url, api_key=self._setup.api_key, timeouts=timeouts)
        )
        return result

    def systemone(
        self,
        model: str,
        state: SystemOneContent,
        questions: Mapping[str, Any],
        keep_alive: KeepAlive | None = None,
        *,
        timeouts: Timeouts | None = None,
    ) -> SystemOneResponse:
        """Have a System One model answer choice, true-or-false and score questions.

        Args:
            model: Name with optional tag.
            state: What the questions are about.
            questions: By name: `SystemOneQuestion` values or dicts.
            keep_alive: As for `chat`.
            timeouts: Budgets of this call, instead of the client's.
        """
        result: SystemOneResponse = self._run(
            service.systemone(model, state, questions, keep_alive, timeouts=timeouts)
        )
        return result

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: Literal[False] = False,
        check: bool = True,
        timeouts: Timeouts | None = None,
    ) -> RawResponse: ...

    @overload
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: Literal[True],
        check: bool = True,
        timeouts: Timeouts | None = None,
    ) -> Stream[RawRecord]: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        check: bool = True,
        timeouts: Timeouts | None = None,
    ) -> Any:
        """Make a call this package knows nothing of, with all of its governance.

        Args:
            method: Such as ``POST``.
            path: Begins with a slash; the host's own prefix is put before it.
            json: Body, written as JSON.
            content: Body, as it is.
            headers: For this call; they win over the client's.
            stream: True reads the answer as lines of JSON.
            check: False gives answers outside 200-299 instead of raising `StatusError`.
            timeouts: Budgets of this call, instead of the client's.
        """
        return self._run(
            service.request(
                method,
                path,
                json=json,
                content=content,
                headers=headers,
                stream=stream,
                check=check,
                timeouts=timeouts,
            )
        )
