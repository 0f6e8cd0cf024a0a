"""The models a server knows: names, files, and what can be read from them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, cast

from ..errors import RequestError
from ..names import InvalidName, ModelName, parse_name
from .gguf import Gguf, NotGguf, read_gguf
from .gotemplate import Template, parse, thinking_tags
from .numbers import parameter_size, shortest_floats
from .recipe import Recipe, Stored

WEIGHTS_SHA256 = "a321c678b966cb1e5fc2d19c62699f080eab0d4745079c025b817d42a52c0db1"
"""Checksum of the model this package ships; see `tools/mini_model`."""

BARE_TEMPLATE = "{{ .Prompt }}"
"""The Go template of a model that has none at all."""

_ABILITIES = ("tools", "insert", "vision", "audio", "thinking")

_POOLING_MEAN = 1
"""llama.h, LLAMA_POOLING_TYPE_MEAN."""


@dataclass(frozen=True)
class Model:
    """One model: a GGUF file under a name.

    Attributes:
        name: Its complete name.
        path: The GGUF file.
        template: Jinja chat template to use instead of the file's own; None keeps that.
        mean_pooling: Treat the weights as an embedding model that averages over tokens.
        modified_at_ns: When it came to be, in ns since the epoch.
        recipe: What it has besides weights.
        stored: Where it comes from, for a model of a store.
    """

    name: ModelName
    path: Path
    template: str | None = None
    mean_pooling: bool = False
    modified_at_ns: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    stored: Stored | None = None

    @cached_property
    def head(self) -> Gguf:
        """Metadata of the file, read at first use."""
        head = read_gguf(self.path)
        if not self.mean_pooling:
            return head
        pooled = {f"{head.architecture}.pooling_type": _POOLING_MEAN}
        return Gguf({**head.metadata, **pooled}, head.tensors)

    @property
    def is_read(self) -> bool:
        """Whether `capabilities` are known; the head takes a moment with a large vocabulary."""
        return "capabilities" in self.__dict__

    @cached_property
    def chat_template(self) -> str:
        """The Jinja template of the weights, or "" if there is none."""
        return self.template if self.template is not None else self.head.chat_template

    @cached_property
    def go_template(self) -> Template | None:
        """The Go template that makes prompts, or None if the Jinja template does.

        The Jinja template does where there is no other, or where it can do more. For a model
        with neither the engine has a template of its own.

        Raises:
            TemplateError: the Go template does not parse.

        Source: Ollama v0.33.0-rc2, server/routes.go and server/images.go Capabilities.
        """
        own = self._own_template
        if own is None:
            return None
        jinja = _abilities_in_jinja(self.chat_template)
        return None if jinja > _abilities_in_go(own) else own

    @cached_property
    def infill_template(self) -> Template | None:
        """The Go template that fills gaps in texts, or None. Raises `TemplateError`."""
        own = self._own_template
        return own if own is not None and "suffix" in own.fields else None

    @cached_property
    def _own_template(self) -> Template | None:
        return parse(self.recipe.template) if self.recipe.template else None

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """What the model can do, in Ollama's words.

        Raises:
            TemplateError: its Go template does not parse.

        Source: Ollama v0.33.0-rc2, server/images.go Capabilities.
        """
        if self.head.of_architecture("pooling_type") is not None:
            return ("embedding",)
        template = self.go_template
        if template is None:
            abilities = _abilities_in_jinja(self.chat_template)
        else:
            abilities = _abilities_in_go(template)
        if self.infill_template is not None:
            abilities |= {"insert"}
        abilities |= self._senses
        return ("completion", *(word for word in _ABILITIES if word in abilities))

    @property
    def sees(self) -> bool:
        """Whether it can be shown pictures: llama.cpp puts them into prompts it makes itself."""
        return "vision" in self.capabilities and bool(self.chat_template)

    @cached_property
    def projector_head(self) -> Gguf | None:
        """Metadata of the projector, read at first use; None if there is none."""
        return None if self.recipe.projector is None else read_gguf(self.recipe.projector)

    @property
    def _senses(self) -> frozenset[str]:
        """What the model takes in besides text."""
        found: set[str] = set()
        projector = self.projector_head
        if projector is not None or self.head.of_architecture("vision.block_count") is not None:
            found.add("vision")
        if projector is not None and projector.metadata.get("clip.has_audio_encoder"):
            found.add("audio")
        return frozenset(found)

    def loads_as(self, other: Model) -> bool:
        """Whether two models are the same to the engine that loads them."""
        return self is other or self._load_key == other._load_key

    @property
    def _load_key(self) -> tuple[object, ...]:
        recipe = self.recipe
        return self.path, self.template, self.mean_pooling, recipe.adapters, recipe.projector

    @property
    def parent(self) -> str:
        """Shortest name of the model it was made from, or ""."""
        return "" if self.stored is None else self.stored.parent

    @property
    def is_embedding(self) -> bool:
        """Whether it gives vectors instead of text."""
        return "embedding" in self.capabilities

    @property
    def training_context(self) -> int:
        """Longest context the model was made for, in tokens; 0 if the file does not say."""
        return int(self.head.of_architecture("context_length") or 0)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the file, or of everything the model has in a store."""
        if self.stored is not None:
            return self.stored.manifest.size_bytes
        return self.path.stat().st_size

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the file, 64 hex digits. Reads the whole file once."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest the model has, or would have, in a store, 64 hex digits."""
        if self.stored is not None:
            return self.stored.digest
        layers: list[dict[str, Any]] = [
            {"mediaType": "application/vnd.ollama.image.model", "digest": self.weights_digest}
        ]
        if self.template is not None:
            text = hashlib.sha256(self.template.encode()).hexdigest()
            layers.append({"mediaType": "application/vnd.ollama.image.template", "digest": text})
        if self.mean_pooling:
            layers.append({"mediaType": "application/vnd.ollama.image.params", "pooling": "mean"})
        return hashlib.sha256(json.dumps({"layers": layers}).encode()).hexdigest()

    def details(self, *, with_lengths: bool = False) -> dict[str, Any]:
        """The `details` of tags, ps and show; only tags has the two lengths."""
        family = self.head.architecture
        config: Mapping[str, Any] = {} if self.stored is None else self.stored.config
        details: dict[str, Any] = {
            "parent_model": "",
            "format": "gguf",
            "family": config.get("model_family") or family,
            "families": config.get("model_families") or [family],
            "parameter_size": config.get("model_type") or parameter_size(self.head.parameter_count),
            "quantization_level": config.get("file_type") or self.head.quantization,
        }
        if with_lengths:
            for key in ("context_length", "embedding_length"):
                if value := self.head.of_architecture(key):
                    details[key] = value
        return details

    def model_info(self, *, verbose: bool) -> dict[str, Any]:
        """The `model_info` of show. See `info_of`."""
        return info_of(self.head, verbose=verbose)


def info_of(head: Gguf, *, verbose: bool) -> dict[str, Any]:
    """Metadata of a file as show gives it: sorted; arrays are null unless `verbose`."""
    info: dict[str, Any] = {"general.parameter_count": head.parameter_count}
    for key, value in head.metadata.items():
        if key in ("general.name", "tokenizer.chat_template"):
            continue
        if isinstance(value, list):
            info[key] = value if verbose else None
        else:
            info[key] = shortest_floats([value])[0] if isinstance(value, float) else value
    return dict(sorted(info.items()))


def _abilities_in_jinja(text: str) -> frozenset[str]:
    """The tests are textual in Ollama too."""
    found: set[str] = set()
    if "tools" in text or "tool_call" in text:
        found.add("tools")
    if "<think>" in text and "</think>" in text:
        found.add("thinking")
    return frozenset(found)


def _abilities_in_go(template: Template) -> frozenset[str]:
    found = {"tools"} & template.fields
    if all(thinking_tags(template)):
        found.add("thinking")
    return frozenset(found)


class Catalogue(Protocol):
    """Where a server looks models up."""

    def find(self, name: ModelName, *, exact_case: bool = False) -> Model | None:
        """The model of that name, or None. Case counts only if `exact_case`."""
        ...

    def models(self) -> Sequence[Model]:
        """Every model, newest first."""
        ...

    def remove(self, name: ModelName) -> bool:
        """Forget a model for good; False if it is not there, or must stay."""
        ...


class FixedCatalogue:
    """Models named when the server was made."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._by_name = {model.name.folded: model for model in models}

    def find(self, name: ModelName, *, exact_case: bool = False) -> Model | None:
        """Look a name up. See `Catalogue.find`."""
        model = self._by_name.get(name.folded)
        if model is None or (exact_case and model.name != name):
            return None
        return model

    def models(self) -> Sequence[Model]:
        """Every model, newest first."""
        return sorted(self._by_name.values(), key=lambda model: -model.modified_at_ns)

    def remove(self, name: ModelName) -> bool:
        """They all stay. See `Catalogue.remove`."""
        return False


def catalogue_of(
    models: Mapping[str, str | PathLike[str]] | Iterable[str | PathLike[str]] | None,
) -> FixedCatalogue:
    """Build the catalogue of a server.

    Args:
        models: None for the models this package ships; else names and GGUF files, or GGUF
            files alone, named after the file without its ending. ``mini``, ``mini-think``
            and ``mini-embed`` in a list mean the shipped ones.

    Raises:
        RequestError: a name is malformed, or a file is missing or no GGUF file.
    """
    shipped = shipped_models()
    if models is None:
        return FixedCatalogue(shipped.values())
    if isinstance(models, Mapping):
        files = cast("Mapping[str, str | PathLike[str]]", models)
        return FixedCatalogue(_from_file(name, Path(path)) for name, path in files.items())
    found: list[Model] = []
    for entry in models:
        known = shipped.get(str(entry))
        found.append(known or _from_file(Path(entry).stem, Path(entry)))
    return FixedCatalogue(found)


def shipped_models() -> dict[str, Model]:
    """The models in this package, by name: one file of weights under three names."""
    weights = Path(str(resources.files("arriero.server").joinpath("weights")))
    path = weights / "mini-q8_0.gguf"
    thinking = (weights / "template-think.jinja").read_text("utf-8")
    now_ns = time.time_ns()
    made = (
        Model(parse_name("mini"), path, modified_at_ns=now_ns),
        Model(parse_name("mini-think"), path, template=thinking, modified_at_ns=now_ns),
        Model(parse_name("mini-embed"), path, mean_pooling=True, modified_at_ns=now_ns),
    )
    return {model.name.model: model for model in made}


def _from_file(name: str, path: Path) -> Model:
    try:
        parsed = parse_name(name)
    except InvalidName as cause:
        raise RequestError(
            f"models: {name!r} is not a model name; use letters, digits, _ - ."
        ) from cause
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        changed_ns = path.stat().st_mtime_ns
    except OSError as cause:
        raise RequestError(f"models: {name}: cannot read {path}: {cause.strerror}") from cause
    if magic != b"GGUF":
        raise RequestError(f"models: {name}: {path} is not a GGUF file")
    return Model(parsed, path.resolve(), modified_at_ns=changed_ns)


__all__ = [
    "Catalogue",
    "FixedCatalogue",
    "Model",
    "NotGguf",
    "catalogue_of",
    "shipped_models",
]
