"""What a server says a model is made of, and how that differs from what was wanted."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from arriero.types.models import ShowResponse

_BLOB = re.compile(r"sha256[-:]([0-9a-f]{64})")
_LINE = re.compile(r"^(FROM|ADAPTER) (.*)$", re.MULTILINE)


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """Numbers of a model that its memory depends on; 0 where nothing is known."""

    layers: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    context_length: int = 0


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What can be told of a model by its `show`."""

    weights: tuple[str, ...] = ()
    """Digests of the files it runs."""
    adapters: tuple[str, ...] = ()
    parameters: dict[str, Any] = {}
    template: str = ""
    """Digest of the prompt template."""
    system: str = ""
    """Digest of the system text; "" without one."""
    shape: Shape = Shape()


def text_digest(text: str | None) -> str:
    """Give the digest of a text; "" for none."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else ""


def facts_of(shown: ShowResponse) -> Facts:
    """Read what a server shows."""
    head = (shown.modelfile or "").partition("\nTEMPLATE ")[0]
    files: dict[str, list[str]] = {"FROM": [], "ADAPTER": []}
    for word, path in _LINE.findall(head):
        if blob := _BLOB.search(path):
            files[word].append(f"sha256:{blob[1]}")
    return Facts(
        weights=tuple(files["FROM"]),
        adapters=tuple(files["ADAPTER"]),
        parameters=parameters_of(shown.parameters or ""),
        template=text_digest(shown.template),
        system=text_digest(shown.system),
        shape=shape_of(shown.model_info),
    )


def parameters_of(text: str) -> dict[str, Any]:
    """Read the lines of ``parameters``: a name with several lines has a list."""
    found: dict[str, list[Any]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            found.setdefault(name, []).append(_value(value.strip()))
    return {name: many[0] if len(many) == 1 else many for name, many in sorted(found.items())}


def _value(text: str) -> Any:
    """Read a value in Go's syntax, which is nearly JSON's."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text.strip('"')


def shape_of(info: Mapping[str, Any]) -> Shape:
    """Read the metadata of the weights. A list counts as its largest number."""
    architecture = info.get("general.architecture")

    def number(name: str) -> int:
        value: Any = info.get(f"{architecture}.{name}")
        if isinstance(value, list):
            value = max((one for one in cast("list[Any]", value) if type(one) is int), default=0)
        return value if type(value) is int and value > 0 else 0

    heads = number("attention.head_count")
    width = number("embedding_length") // heads if heads else 0
    key_length = number("attention.key_length") or width
    return Shape(
        layers=number("block_count"),
        kv_heads=number("attention.head_count_kv") or heads,
        key_length=key_length,
        value_length=number("attention.value_length") or key_length,
        context_length=number("context_length"),
    )


def same_value(first: Any, second: Any) -> bool:
    """Tell whether two parameters are equal: 1 and 1.0 are, and a text and a list of it."""
    if isinstance(first, list) or isinstance(second, list):
        one, other = _listed(first), _listed(second)
        return len(one) == len(other) and all(map(same_value, one, other))
    if _is_number(first) and _is_number(second):
        return math.isclose(first, second, rel_tol=1e-6)
    return type(first) is type(second) and bool(first == second)


def _listed(value: Any) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(
    expected: Facts, found: Facts, shown: ShowResponse | None = None, template: str | None = None
) -> tuple[str, ...]:
    """Say how a model differs from what is expected, a line for each.

    Args:
        expected: Its parameters are those that must be there; others may be, too.
        found: What the server tells.
        shown: The same at length, to look for `template` in.
        template: Text of the template, where the recipe has one. A server may show that of the
            weights instead, if it can do more; then the Modelfile has the recipe's.
    """
    made: list[str] = []
    if expected.weights and expected.weights != found.weights:
        made.append(f"weights {_short(found.weights)} -> {_short(expected.weights)}")
    if expected.adapters != found.adapters:
        made.append(f"adapters {_short(found.adapters)} -> {_short(expected.adapters)}")
    for name, value in expected.parameters.items():
        if not same_value(found.parameters.get(name), value):
            made.append(f"parameters.{name} {_told(found.parameters.get(name))} -> {_told(value)}")
    in_modelfile = bool(template and shown and template.strip() in (shown.modelfile or ""))
    if expected.template and expected.template != found.template and not in_modelfile:
        made.append("template")
    if expected.system and expected.system != found.system:
        made.append("system")
    return tuple(made)


def _short(digests: Sequence[str]) -> str:
    return ", ".join(one.removeprefix("sha256:")[:12] for one in digests) or "none"


def _told(value: Any) -> str:
    return "unset" if value is None else msgspec.json.encode(value).decode()
