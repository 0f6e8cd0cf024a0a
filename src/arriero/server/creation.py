"""Build a model in the store. Everything here blocks.

Source: Ollama v0.33.0-rc2, server/create.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from ..names import ModelName
from . import gojson
from .catalogue import Model
from .drafts import BaseMissing, CreateFailed, Draft, Emit
from .exchange import Refused
from .gguf import Gguf, NotGguf, read_gguf, write_variant
from .gotemplate import TemplateError, parse
from .names import local_name
from .numbers import parameter_size
from .quantizer import QuantizingFailed, quantized
from .quantizer.mixes import FLOATS, Mix
from .recipe import parameters_of
from .store import CorruptManifest, Layer, Manifest, Store, StoreError, layer_of
from .store import manifests as kinds
from .store.manifests import decode_config, encode_config, encoded
from .store_requests import CreateRequest
from .stored_models import StoreCatalogue

_QUANTIZE_TO: Mapping[str, Mix] = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q4_K_S": "Q4_K_S",
    "Q4_K_M": "Q4_K_M",
    "Q4_K": "Q4_K_M",
    "Q8_0": "Q8_0",
}
_INFO_TEXTS = {
    "model_family": "model_family",
    "base_name": "base_name",
    "quantization_level": "file_type",
    "parameter_size": "model_type",
}
_INFO_NUMBERS = ("context_length", "embedding_length")


def create_model(
    store: Store,
    catalogue: StoreCatalogue,
    name: ModelName,
    request: CreateRequest,
    emit: Emit,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Make a model and give it its name; an older one of that name goes.

    Args:
        store: Where.
        catalogue: Where the model it is made from is looked up.
        name: Its name.
        request: What it is made of.
        emit: Told what happens, as in Ollama.
        go_on: Asked now and then whether anybody still wants it.

    Raises:
        InterruptedError: nobody does.
        BaseMissing: the model it is made from has to be pulled first.
        CreateFailed: the request cannot be met.
        StoreError: the store cannot be read or written.
    """
    unused: frozenset[str] = frozenset()
    with store.adding():
        draft = _base(store, catalogue, request, emit)
        wanted = _wanted_type(request, draft)
        if wanted is None:
            if not request.source:
                emit("verifying conversion")
            unused = _complete(store, name, request, draft, emit)
    if wanted is not None:
        _check_template(request)
        # Takes minutes for a large model, in which others may remove theirs. If that is one this
        # needs, the second part says so.
        unused = _quantize(store, draft, wanted, go_on)
        emit("verifying conversion")
        with store.adding():
            unused |= _complete(store, name, request, draft, emit)
    if unused:
        store.collect(unused)
    emit("success")


def _complete(
    store: Store, name: ModelName, request: CreateRequest, draft: Draft, emit: Emit
) -> frozenset[str]:
    """Add what the request says besides the weights, and name it; give what it replaces."""
    _add_adapters(store, request, draft, emit)
    _add_texts(store, request, draft)
    _describe(request, draft)
    config, _ = layer_of(store, kinds.CONFIG, encode_config(draft.config))
    for layer in draft.layers:
        kind = "creating new" if layer.digest in draft.new else "using existing"
        emit(f"{kind} layer {layer.digest}")
    emit("writing manifest")
    before = store.entry(name)
    replaced: frozenset[str] = frozenset()
    if before is not None:
        # Of one that cannot be read nobody can tell what it was made of.
        with suppress(CorruptManifest):
            replaced = store.read(before)[0].digests
    store.write(name, Manifest(config, tuple(draft.layers)))
    return replaced


def copy_given(store: Store, model: Model, name: ModelName) -> None:
    """Put a model the server was given into the store. Raises `StoreError`, `CreateFailed`."""
    with store.adding():
        draft = _imported(store, model)
        config, _ = layer_of(store, kinds.CONFIG, encode_config(draft.config))
        store.write(name, Manifest(config, tuple(draft.layers)))


def _base(store: Store, catalogue: StoreCatalogue, request: CreateRequest, emit: Emit) -> Draft:
    if request.remote_host:
        raise CreateFailed(403, "ollama cloud is disabled: remote model is unavailable")
    if request.draft_files:
        raise CreateFailed(400, "draft models are not supported by this server")
    if request.source:
        return _from_model(store, catalogue, request.source.strip())
    if request.files is not None:
        return _from_files(store, request.files, emit)
    raise CreateFailed(400, "neither 'from' or 'files' was specified")


def _from_model(store: Store, catalogue: StoreCatalogue, text: str) -> Draft:
    try:
        name = local_name(text)
    except Refused as error:
        raise CreateFailed(error.status, error.text) from error
    entry = store.entry(name)
    if entry is not None:
        manifest, _ = store.read(entry)
        config = decode_config(store.read_blob(manifest.config.digest))
        parent = entry.name.shortest
        return Draft([replace(layer, parent=parent) for layer in manifest.layers], config)
    given = catalogue.given(name)
    if given is None:
        raise BaseMissing(name)
    draft = _imported(store, given)
    draft.layers = [replace(layer, parent=given.name.shortest) for layer in draft.layers]
    return draft


def _imported(store: Store, model: Model) -> Draft:
    """Take over the weights of a model the server was given.

    What such a model has besides its file has no layer in Ollama's layout, so it goes into
    the file.
    """
    changes: dict[str, str | int | None] = {}
    if model.template is not None:
        changes["tokenizer.chat_template"] = model.template
    if model.mean_pooling:
        key = f"{model.head.architecture}.pooling_type"
        changes[key] = model.head.metadata[key]
    try:
        if changes:
            with store.upload() as upload:
                write_variant(model.path, changes, upload.write)
                digest = upload.finish()
            is_new = True
        else:
            digest, is_new = store.add_file(model.path)
        head = model.head
    except (OSError, NotGguf) as error:
        raise CreateFailed(500, f"{model.name.shortest}: {error}") from error
    draft = Draft([_weights(store, kinds.MODEL, digest)], _config_of(head))
    if is_new:
        draft.new.add(digest)
    return draft


def _from_files(store: Store, files: Mapping[str, str], emit: Emit) -> Draft:
    if any(name.endswith(".safetensors") for name in files):
        raise CreateFailed(400, "safetensors models are not supported by this server, use GGUF")
    if not any(name.endswith(".gguf") or _is_gguf(store, files[name]) for name in files):
        raise CreateFailed(400, "unknown type")
    draft = Draft()
    for digest in files.values():
        emit("parsing GGUF")
        layer, head = _gguf_layer(store, digest)
        draft.layers.append(layer)
        if layer.media_type == kinds.MODEL:
            draft.config = _config_of(head)
    if _of_type(draft.layers, kinds.PROJECTOR) and "model_families" in draft.config:
        draft.config["model_families"] = [*draft.config["model_families"], "clip"]
    if len(_of_type(draft.layers, kinds.MODEL)) > 1:
        raise CreateFailed(400, "models split into several GGUF files are not supported here")
    return draft


def _gguf_layer(store: Store, digest: str) -> tuple[Layer, Gguf]:
    """Read a GGUF file in the store and tell what it is for. Raises `StoreError`."""
    path = store.blob_path(digest)
    if not store.has_blob(digest):
        # Says which file is missing, as Go's open does.
        store.read_blob(digest)
    try:
        head = read_gguf(path)
    except NotGguf as error:
        if _is_gguf(store, digest):
            raise CreateFailed(500, f"failed to validate GGUF: {error}") from error
        raise CreateFailed(400, "supplied file was not in GGUF format") from error
    if head.metadata.get("general.type") == "adapter":
        return _weights(store, kinds.ADAPTER, digest), head
    kind = kinds.PROJECTOR if head.architecture == "clip" else kinds.MODEL
    return _weights(store, kind, digest), head


def _weights(store: Store, media_type: str, digest: str) -> Layer:
    path = store.blob_path(digest)
    return Layer(media_type, f"sha256:{path.name[7:]}", path.stat().st_size)


def _is_gguf(store: Store, digest: str) -> bool:
    try:
        with store.blob_path(digest).open("rb") as file:
            return file.read(4) == b"GGUF"
    except (OSError, StoreError):
        return False


def _config_of(head: Gguf) -> dict[str, Any]:
    return {
        "model_format": "gguf",
        "model_family": head.architecture,
        "model_families": [head.architecture],
        "model_type": parameter_size(head.parameter_count),
        "file_type": head.quantization,
    }


def _wanted_type(request: CreateRequest, draft: Draft) -> Mix | None:
    """Tell what the weights are to become; None if they stay what they are."""
    if not request.quantize:
        return None
    name = request.quantize.upper()
    if name not in _QUANTIZE_TO:
        raise CreateFailed(
            500,
            f"unsupported quantization type {name} - "
            "supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0",
        )
    present = str(draft.config.get("file_type"))
    if present not in FLOATS:
        raise CreateFailed(500, "quantization is only supported for F16, BF16 and F32 models")
    wanted = _QUANTIZE_TO[name]
    if present == wanted:
        return None
    draft.config["file_type"] = wanted
    return wanted


def _quantize(store: Store, draft: Draft, wanted: Mix, go_on: Callable[[], bool]) -> frozenset[str]:
    """Put weights of another type in the place of those there are; give what only served that."""
    copies = draft.new & {layer.digest for layer in draft.layers}
    for at, layer in enumerate(draft.layers):
        if layer.media_type != kinds.MODEL:
            continue
        pieces = quantized(store.blob_path(layer.digest), wanted, go_on)
        with closing(pieces), store.upload() as upload:
            try:
                for piece in pieces:
                    upload.write(piece)
            except QuantizingFailed as error:
                raise CreateFailed(500, str(error)) from error
            digest = upload.finish()
        draft.layers[at] = _weights(store, kinds.MODEL, digest)
        if upload.is_new:
            draft.new.add(digest)
    return frozenset(copies - {layer.digest for layer in draft.layers})


def _add_adapters(store: Store, request: CreateRequest, draft: Draft, emit: Emit) -> None:
    if not request.adapters:
        return
    if len(request.adapters) > 1:
        raise CreateFailed(400, "only one adapter is currently supported")
    if not _of_type(draft.layers, kinds.MODEL):
        raise CreateFailed(400, "no base model was found")
    draft.drop(kinds.ADAPTER)
    for digest in request.adapters.values():
        emit("parsing GGUF")
        layer, _ = _gguf_layer(store, digest)
        if layer.media_type != kinds.ADAPTER:
            raise CreateFailed(400, "supplied file is no LoRA adapter in GGUF format")
        draft.layers.append(layer)


def _add_texts(store: Store, request: CreateRequest, draft: Draft) -> None:
    if request.template:
        _check_template(request)
        draft.drop(kinds.TEMPLATE)
        draft.drop(kinds.PROMPT)
        draft.add(store, kinds.TEMPLATE, request.template.encode())
    if request.system:
        draft.drop(kinds.SYSTEM)
        draft.add(store, kinds.SYSTEM, request.system.encode())
    for text in _licenses(request.license):
        draft.add(store, kinds.LICENSE, text.encode())
    if request.parameters:
        inherited = parameters_of(store, Manifest(Layer("", "", 0), draft.layers))
        draft.drop(kinds.PARAMETERS)
        draft.add(store, kinds.PARAMETERS, encoded(as_go_map({**inherited, **request.parameters})))
    if request.messages:
        draft.drop(kinds.MESSAGES)
        draft.add(store, kinds.MESSAGES, encoded(list(request.messages)))


def _check_template(request: CreateRequest) -> None:
    try:
        parse(request.template)
    except TemplateError as error:
        raise CreateFailed(400, f"template error: {error}") from error


def _licenses(given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        return [given] if given else []
    if not gojson.is_list(given):
        kind = "object" if gojson.is_object(given) else _go_kind(given)
        raise CreateFailed(500, f"json: cannot unmarshal {kind} into Go value of type []string")
    for item in given:
        if not isinstance(item, str):
            kind = _go_kind(item)
            raise CreateFailed(500, f"json: cannot unmarshal {kind} into Go value of type string")
    return given


def _go_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _describe(request: CreateRequest, draft: Draft) -> None:
    for key in ("renderer", "parser", "requires"):
        if value := getattr(request, key):
            draft.config[key] = value
    for key, value in request.info.items():
        if key in _INFO_TEXTS:
            if not isinstance(value, str):
                raise CreateFailed(400, f'info field "{key}" must be a string')
            draft.config[_INFO_TEXTS[key]] = value
        elif key in _INFO_NUMBERS:
            draft.config[key] = _info_number(key, value)
        elif key == "capabilities":
            if not gojson.is_list(value) or not all(isinstance(item, str) for item in value):
                raise CreateFailed(400, 'info field "capabilities" must be a list of strings')
            draft.config[key] = value


def _info_number(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CreateFailed(400, f'info field "{key}" must be a number')
    if value < 0 or value != int(value):
        raise CreateFailed(400, f'info field "{key}" must be a non-negative integer')
    return int(value)


def _of_type(layers: Sequence[Layer], media_type: str) -> list[Layer]:
    return [layer for layer in layers if layer.media_type == media_type]


def as_go_map(value: Any) -> Any:
    """Sort keys and write whole numbers without a point, as Go prints decoded JSON."""
    if gojson.is_object(value):
        return {key: as_go_map(value[key]) for key in sorted(value)}
    if gojson.is_list(value):
        return [as_go_map(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value
