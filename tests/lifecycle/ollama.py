"""An Ollama and a registry in memory: names, manifests, blobs, and what may go wrong.

It behaves as the real one where a transaction could notice: a copy copies the manifest, a pull
writes it last, blobs go with the last manifest that needs them. Nothing here waits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from arriero.names import parse_name

IMAGE = "application/vnd.ollama.image."
MODELFILE = "# Modelfile\n\nFROM /models/blobs/sha256-{weights}\nTEMPLATE {template}\n"


def sha(data: bytes) -> str:
    """Give the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def full(name: str) -> str:
    """Give the name under which two spellings of a model are the same."""
    return parse_name(name.strip()).folded


@dataclass(frozen=True)
class Built:
    """A model: its manifest and its files."""

    manifest: bytes
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """Give the digest of the manifest."""
        return sha(self.manifest)

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Give the layers, the config last."""
        raw = json.loads(self.manifest)
        return [*raw["layers"], raw["config"]]

    @property
    def digests(self) -> list[str]:
        """Give the digests of the layers."""
        return [layer["digest"] for layer in self.layers]

    def part(self, kind: str) -> str:
        """Give the text of a layer, or ""."""
        return "\n".join(
            self.files[layer["digest"]].decode()
            for layer in self.layers
            if layer["mediaType"] == f"{IMAGE}{kind}"
        )


def built(weights: str, *, license: str = "", **parts: str) -> Built:
    """Make a model of texts; `weights` stand for gigabytes of numbers."""
    given = {"model": weights, **parts, **({"license": license} if license else {})}
    files = [(f"{IMAGE}{kind}", text.encode()) for kind, text in given.items()]
    config = json.dumps({"model_family": "test"}).encode()
    layers = [{"mediaType": kind, "digest": sha(data), "size": len(data)} for kind, data in files]
    manifest = {
        "config": {"mediaType": "config", "digest": sha(config), "size": len(config)},
        "layers": layers,
    }
    return Built(
        json.dumps(manifest).encode(),
        {sha(config): config, **{sha(data): data for _, data in files}},
    )


@dataclass
class Spoilt:
    """What goes wrong with one pull: it ends after some records, in some way."""

    after: int
    how: str
    """``cut``, ``stall``, or the text of an error."""


@dataclass
class Ollama:
    """A server's store, and its answers.

    Attributes:
        names: Models by their full name.
        registry: What can be pulled, by full name.
        spoilt: What goes wrong with the next pulls.
        asked: Requests so far.
        answers: What models say, by a piece of their weights.
    """

    names: dict[str, Built] = field(default_factory=dict[str, Built])
    registry: dict[str, Built] = field(default_factory=dict[str, Built])
    spoilt: list[Spoilt] = field(default_factory=list[Spoilt])
    asked: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    partial: dict[str, int] = field(default_factory=dict[str, int])
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    loaded: dict[str, Any] = field(default_factory=dict[str, Any])
    busy: int = 0
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def has(self, name: str) -> str | None:
        """Give the digest of a model, or None."""
        found = self.names.get(full(name))
        return None if found is None else found.digest

    def blobs(self) -> set[str]:
        """Give the digests of all blobs."""
        return {digest for one in self.names.values() for digest in one.digests}

    def answer(
        self, method: str, path: str, body: Mapping[str, Any]
    ) -> tuple[int, Iterator[Any] | Sequence[Any]]:
        """Give status and records of an answer; a str among the records is a `Spoilt.how`."""
        self.asked.append((path, dict(body)))
        if path.startswith("/v2/"):
            return self._registry(path)
        if path.startswith("/api/blobs/"):
            return (200 if path.rpartition("/")[2] in self.blobs() else 404), []
        handler = getattr(self, f"_{path.removeprefix('/api/')}", None)
        if handler is None:
            return 404, [{"error": "404 page not found"}]
        status, records = handler(body)
        return status, records

    def _registry(self, path: str) -> tuple[int, Sequence[Any]]:
        _, _, namespace, model, kind, what = path.split("/")
        for name, one in self.registry.items():
            parts = parse_name(name)
            if (parts.namespace, parts.model) != (namespace, model):
                continue
            if kind == "manifests" and parts.tag == what:
                return 200, [one.manifest]
            if kind == "blobs" and what in one.files:
                return 200, [one.files[what]]
        return 404, [{"errors": [{"code": "MANIFEST_UNKNOWN"}]}]

    def _version(self, body: Any) -> Any:
        return 200, [{"version": "0.33.0"}]

    def _tags(self, body: Any) -> Any:
        made = [
            {
                "name": parse_name(name).shortest,
                "model": parse_name(name).shortest,
                "digest": one.digest.removeprefix("sha256:"),
                "size": sum(layer["size"] for layer in one.layers),
                "modified_at": "2026-01-01T00:00:00Z",
            }
            for name, one in self.names.items()
        ]
        return 200, [{"models": made}]

    def _ps(self, body: Any) -> Any:
        made = [{"name": name, "model": name, **facts} for name, facts in self.loaded.items()]
        return 200, [{"models": made}]

    def _show(self, body: Any) -> Any:
        one = self.names.get(full(body["model"]))
        if one is None:
            return 404, [{"error": f"model '{body['model']}' not found"}]
        weights = next(layer for layer in one.layers if layer["mediaType"] == f"{IMAGE}model")
        template = one.part("template") or "{{ .Prompt }}"
        modelfile = MODELFILE.format(weights=weights["digest"][7:], template=template)
        params = json.loads(one.part("params") or "{}")
        record: dict[str, Any] = {
            "modelfile": modelfile,
            "template": template,
            "details": {},
            "model_info": {"general.architecture": "test", "test.context_length": 2048},
            "capabilities": ["completion"],
        }
        if params:
            record["parameters"] = "\n".join(
                f"{key:<30} {json.dumps(value)}" for key, value in params.items()
            )
        for kind in ("license", "system"):
            if text := one.part(kind):
                record[kind] = text
        return 200, [{**record, **self.shown}]

    def _copy(self, body: Any) -> Any:
        source = self.names.get(full(body["source"]))
        if source is None:
            return 404, [{"error": f'model "{body["source"]}" not found'}]
        self.names[full(body["destination"])] = source
        return 200, []

    def _delete(self, body: Any) -> Any:
        if self.names.pop(full(body["model"]), None) is None:
            return 404, [{"error": f"model '{body['model']}' not found"}]
        return 200, []

    def _create(self, body: Any) -> Any:
        base = self.names.get(full(body.get("from", "")))
        if base is None:
            return 200, [{"error": "pull model manifest: file does not exist"}]
        params = {**json.loads(base.part("params") or "{}"), **body.get("parameters", {})}
        parts = {
            "template": body.get("template") or base.part("template"),
            "system": body.get("system") or base.part("system"),
            "params": json.dumps(params) if params else "",
            "license": base.part("license"),
        }
        made = built(base.part("model"), **{kind: text for kind, text in parts.items() if text})
        self.names[full(body["model"])] = made
        return 200, [{"status": "success"}]

    def _generate(self, body: Any) -> Any:
        one = self.names.get(full(body["model"]))
        if one is None:
            return 404, [{"error": f"model '{body['model']}' not found"}]
        loading = not body.get("prompt")
        name = parse_name(body["model"]).shortest
        self.loaded[name] = {"digest": one.digest[7:], "size": 100, "size_vram": 0}
        said = next((text for part, text in self.answers.items() if part in one.part("model")), "")
        record = {"model": body["model"], "response": "" if loading else said or "hello"}
        return 200, [{**record, "done": True, "done_reason": "load" if loading else "stop"}]

    def _pull(self, body: Any) -> tuple[int, Iterator[Any]]:
        made = self._pulling(body["model"])
        if body.get("stream", True):
            return 200, made
        *_, last = made  # a server that does not stream says only how it ended
        return (500 if "error" in last else 200), iter([last])

    def _pulling(self, name: str) -> Iterator[Any]:
        spoilt = self.spoilt.pop(0) if self.spoilt else Spoilt(-1, "")
        for number, record in enumerate(self._steps(name)):
            if number == spoilt.after:
                yield {"error": spoilt.how} if " " in spoilt.how else spoilt.how
                return
            yield record
            if "error" in record:
                return

    def _steps(self, name: str) -> Iterator[Any]:
        yield {"status": "pulling manifest"}
        one = self.registry.get(full(name))
        if one is None:
            yield {"error": "pull model manifest: file does not exist"}
            return
        for layer in one.layers:
            digest, size = layer["digest"], layer["size"]
            about = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": size}
            done = size if digest in self.blobs() else self.partial.get(digest, 0)
            while True:
                yield about | ({"completed": done} if done else {})
                if done >= size:
                    break
                done = self.partial[digest] = min(size, done + max(1, size // 3))
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        self.names[full(name)] = one
        for digest in one.digests:
            self.partial.pop(digest, None)
        yield {"status": "success"}
