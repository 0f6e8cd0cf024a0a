"""Where our answers may differ from the recorded ones, and why.

Each reason lists its cases with the places that differ, as `comparing.differences` names them. The
lists are exact: a case that differs elsewhere fails, and so does one that no longer differs.

Nowhere compared, because no two runs share it: times, durations, ids, sizes, digests of manifests,
probabilities beyond their sign, and the digits of vectors, which have a test of their own. The
recorded server passed every file through its quantiser, which adds a key and changes the digest;
files are compared by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Places: TypeAlias = Mapping[str, Iterable[str]]

_ORDER = ("text", "last.eval_count")
_WHOLE = ("status", "body", "header content-type", "last newline")
_SILENT = ("text", "shapes", "last keys", "last.done")

ACCEPTED: Mapping[str, Places] = {
    # Other by choice
    "the version is ours": {
        "service/version": ["version"],
        "service/host-localhost": ["version"],
        "service/cors-allowed": ["version"],
    },
    "there never is a cloud behind this server; the recorded one had it switched off": {
        "service/status": ["cloud.source"],
    },
    "we recommend no models": {
        "service/recommendations": ["recommendations"],
    },
    "a list without items is a list, not null": {
        "openai/models-empty": ["data"],
    },
    "`json` is enforced here too, where the recorded server leaves it to luck": {
        "chat/format-json-free": _ORDER,
        "chat-think/format-json-free": _ORDER,
        "chat-think/format-json": _ORDER,
        "openai/chat-json-object-free": [
            "choices.message.content", "usage.completion_tokens", "usage.total_tokens",
        ],
    },
    "properties of a schema keep the caller's order, the recorded server sorts them": {
        "chat/format-schema": _ORDER,
        "chat/format-schema-stream": [*_ORDER, "count"],
        "chat/format-schema-cut": ["text"],
        "chat/format-tools": _ORDER,
        "chat-think/format-schema": [*_ORDER, "count"],
        "chat-think/format-schema-nostream": _ORDER,
        "openai/chat-json-schema": [
            "choices.message.content", "usage.completion_tokens", "usage.total_tokens",
        ],
    },
    "a call of a tool that was not offered stays in the text, the recorded server drops it": {
        "chat-go/tools-numbers": ["text"],
    },
    "after its thoughts the model goes on, the recorded server ends the turn there": {
        "chat-go/format-schema-think": [*_ORDER, "last.prompt_eval_count", "count"],
    },
    "no empty records are sent while a tag is skipped": {
        "generate/think-stream": ["count"],
    },
    "two names on one file do not disturb each other": {
        "shared-runner/4-native-tools": _WHOLE,
        "ps/shared-runner": ["models.model", "models.name"],
    },
    "an answer that repeats itself runs to its end; the recorded server cuts it without a word": {
        "broken/repetition-mini-go": [*_SILENT, "count"],
        "broken/repetition-nostream-mini-go": _SILENT,
        "broken/repetition-generate": [*_SILENT, "count"],
    },
    # Other by what is underneath
    "uvicorn gives an empty answer a length": {
        "blobs/head-after-mismatch": ["header content-length"],
        "blobs/head-present": ["header content-length"],
        "blobs/head-dash": ["header content-length"],
    },
    "uvicorn says how a long answer would be framed also to HEAD": {
        "tags/head": ["header transfer-encoding"],
    },
    "llama.cpp has since changed the text": {
        "chat/format-bad-schema": ["error"],
        "chat/format-bad-ref": ["error"],
    },
    "llama.cpp has since stopped to count the token the text is cut at": {
        "chat-go/html-escape": ["last.eval_count"],
    },
    "the recorded template has no line break at its end": {
        "show/think": ["template"],
    },
    "the recorded server lists what was made within one second in any order": {
        "tags/full": [
            "models.capabilities", "models.details.parent_model",
            "models.details.quantization_level", "models.model", "models.name",
        ],
        "openai/models": ["data.id"],
    },
}  # fmt: skip

UNSTABLE: Places = {
    "chat/context-truncate": ["text", "last.eval_count", "last.done_reason"],
    "generate/truncate": ["text", "last.eval_count", "last.done_reason", "last.context"],
}
"""Answers that repeat one word until the last digits decide, which depend on the CPU."""

_REGISTRY = (
    "pull/bad-name", "pull/corrupt", "pull/empty", "pull/fast", "pull/manifest-not-json",
    "pull/missing-manifest", "pull/missing-manifest-nostream", "pull/no-registry-host",
    "pull/not-insecure", "pull/present", "pull/present-nostream", "pull/refused",
    "pull/refused-nostream", "pull/registry-412", "pull/slow", "push/again", "push/empty",
    "push/missing", "push/missing-nostream", "push/no-namespace", "push/nostream",
    "push/not-insecure", "push/ok", "push/refused",
)  # fmt: skip

NOT_ASKED: Mapping[str, Iterable[str]] = {
    "asks a registry: `tests/server/transfer` does": _REGISTRY,
    "the model's template was not recorded": [
        "chat-go/tools-parallel",
        "chat-go/tools-parallel-stream",
    ],
    "kills the process of the model: `tests/server/engines` does": [
        "broken/runner-killed-mini",
        "broken/runner-killed-nostream-mini",
        "broken/runner-killed-mini-go",
        "broken/runner-killed-nostream-mini-go",
        "broken/runner-killed-generate",
        "broken/runner-killed-openai",
        "broken/runner-dead-embed",
    ],
    "stops the server: `test_serve` does": [
        "broken/server-killed",
        "broken/server-terminated",
    ],
    "needs a full queue or a busy server: `test_scheduler` and `test_inference_routes` do": [
        "busy/queue-full",
        "busy/queue-full-nostream",
        "busy/queue-full-embed",
        "busy/queue-full-openai",
        "busy/waiting",
    ],
}
"""Cases that are not replayed, by the reason."""
