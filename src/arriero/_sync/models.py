# Generated from arriero/_async/models.py by tools/unasync.py: edit that file.
"""`Client`, second part: models and their files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from arriero._core.api import ensure, models
from arriero._core.api.arguments import KeepAlive
from arriero._core.pulling import OnProgress
from arriero._drive.stream import Stream
from arriero._drive.threads import SyncBase
from arriero.settings import CallPolicy, Timeouts
from arriero.types.chat import Message
from arriero.types.ensured import EnsureResponse, PullPolicy, SmokeTest
from arriero.types.models import (
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    StatusResponse,
)
from arriero.types.options import Options


class ModelCalls(SyncBase):
    """Calls about models and their files."""

    def list(
        self, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> ListResponse:
        """List the models the server has, newest first."""
        result: ListResponse = self._run(models.list_models(timeouts=timeouts), policy)
        return result

    def ps(
        self, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> ProcessResponse:
        """List the models the server has loaded."""
        result: ProcessResponse = self._run(models.ps(timeouts=timeouts), policy)
        return result

    def show(
        self,
        model: str,
        *,
        verbose: bool | None = None,
        system: str | None = None,
        options: Mapping[str, Any] | Options | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ShowResponse:
        """Tell everything about one model.

        Args:
            model: Name with optional tag.
            verbose: True includes the long arrays of the metadata, such as the vocabulary.
            system: Shown in place of the model's system text.
            options: Shown among the parameters of ``modelfile``.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            ModelNotFound: there is no such model.
        """
        result: ShowResponse = self._run(
            models.show(model, verbose=verbose, system=system, options=options, timeouts=timeouts),
            policy,
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
        policy: CallPolicy | None = None,
    ) -> ProgressResponse: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[True],
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Stream[ProgressResponse]: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ProgressResponse | Stream[ProgressResponse]: ...

    def pull(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Any:
        """Have the server download a model.

        Args:
            model: Name with optional registry, namespace and tag.
            insecure: True lets the server speak plain http to the registry.
            stream: True gives progress as it happens. Without it the server is silent
                until the end, so only `timeouts` given here limit the wait.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.

        Raises:
            StreamFailed: (streaming) the registry has no such model, or the download failed.
            ServerError: the same without stream.
        """
        return self._run(
            models.pull(model, insecure=insecure, stream=stream, timeouts=timeouts), policy
        )

    def ensure(
        self,
        model: str,
        *,
        digest: str | None = None,
        smoke: Sequence[SmokeTest] | SmokeTest = (),
        insecure: bool = False,
        pull_policy: PullPolicy | None = None,
        on_progress: OnProgress | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> EnsureResponse:
        """Have a model: pull it unless it is there, and check what came.

        A pull that stalls or breaks is tried again and goes on where it stopped. If it is
        not the wanted model that came, it stays under its name; `arriero.lifecycle` keeps the
        old one serving until the new one is proven.

        Args:
            model: Name with optional registry, namespace and tag.
            digest: Of the model's manifest, as `list` has it, with or without ``sha256:``.
                Any other model of that name is pulled anew, and refused if the registry has
                another one by now. None is content with what is there.
            smoke: Questions it has to answer; they are asked even if nothing was pulled.
            insecure: True lets the server speak plain http to the registry.
            pull_policy: Tries, waits and stalls of the pull; defaults in `PullPolicy`.
            on_progress: Called with each record of the pull; and before each wait for another try
                with one of ours, whose ``retry`` has ``wait_s``, ``reason``, ``attempt`` and
                ``attempts``.
            timeouts: Budgets of each request, instead of the client's; `total_s` is for the
                pull with all of its tries, and `idle_s` gives way to `pull_policy.stall_s`. A
                smoke test has a budget of its own for its answer.
            policy: Tenant, priority and the like of each request. Its retries are for all but
                the pull, which goes by `pull_policy`.

        Raises:
            ModelNotFound: the registry has no such model; the message names the nearest.
            AccessDenied: the registry or the server wants credentials; says which setting.
            DiskFull: says how much is missing.
            VerificationFailed: digest, layers or smoke test are not as wanted.
        """
        return self._drive(
            ensure.ensure(
                self._target,
                model,
                digest=digest,
                smoke=smoke,
                insecure=insecure,
                pull_policy=pull_policy,
                on_progress=on_progress,
                timeouts=timeouts,
                policy=policy,
            )
        )

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[False] = False,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ProgressResponse: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: Literal[True],
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Stream[ProgressResponse]: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> ProgressResponse | Stream[ProgressResponse]: ...

    def push(
        self,
        model: str,
        *,
        insecure: bool | None = None,
        stream: bool = False,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> Any:
        """Have the server upload a model; arguments and errors as for `pull`."""
        return self._run(
            models.push(model, insecure=insecure, stream=stream, timeouts=timeouts), policy
        )

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
        policy: CallPolicy | None = None,
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
        policy: CallPolicy | None = None,
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
        policy: CallPolicy | None = None,
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
        policy: CallPolicy | None = None,
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
            policy: Retries, tenant and priority of this call.

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
            ),
            policy,
        )

    def create_blob(
        self,
        path: str | os.PathLike[str],
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> str:
        """Upload a file for `create`, unless the server has it, and give its digest.

        The file is streamed from disk; memory stays constant.

        Raises:
            RequestError: the file cannot be read.
        """
        return self._drive(models.create_blob(self._target, path, timeouts=timeouts, policy=policy))

    def blob_exists(
        self, digest: str, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> bool:
        """Tell whether the server has the blob ``sha256:...``."""
        result: bool = self._run(models.blob_exists(digest, timeouts=timeouts), policy)
        return result

    def copy(
        self,
        source: str,
        destination: str,
        *,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> StatusResponse:
        """Give a model a second name; an existing one of that name is replaced.

        Raises:
            ModelNotFound: there is no such source.
        """
        result: StatusResponse = self._run(
            models.copy(source, destination, timeouts=timeouts), policy
        )
        return result

    def delete(
        self, model: str, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> StatusResponse:
        """Delete a model and what no other model needs of it.

        Raises:
            ModelNotFound: there is no such model.
        """
        result: StatusResponse = self._run(models.delete(model, timeouts=timeouts), policy)
        return result

    def load(
        self,
        model: str,
        *,
        keep_alive: KeepAlive | None = None,
        options: Mapping[str, Any] | Options | None = None,
        timeouts: Timeouts | None = None,
        policy: CallPolicy | None = None,
    ) -> None:
        """Load a model, embedding models included, and return when it is ready.

        Args:
            model: Name with optional tag.
            keep_alive: How long it stays; negative is forever.
            options: Those read at loading, such as ``num_ctx``.
            timeouts: Budgets of this call, instead of the client's.
            policy: Retries, tenant and priority of this call.
        """
        self._drive(
            models.load(
                self._target,
                model,
                keep_alive=keep_alive,
                options=options,
                timeouts=timeouts,
                policy=policy,
            )
        )

    def unload(
        self, model: str, *, timeouts: Timeouts | None = None, policy: CallPolicy | None = None
    ) -> None:
        """Unload a model once its running requests are done; fine if it is not loaded."""
        self._run(models.unload(model, timeouts=timeouts), policy)
