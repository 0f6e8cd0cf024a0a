"""Which type each tensor of a model becomes: names such as Q4_K_M stand for a mix.

Source: llama.cpp, src/llama-quant.cpp, commit 007dbbf, which Ollama runs as `llama-quantize`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from ..gguf import Gguf, Tensor

Mix: TypeAlias = Literal["F32", "F16", "BF16", "Q8_0", "Q4_K_S", "Q4_K_M"]

FLOATS = ("F32", "F16", "BF16")

_BLOCK = {"Q4_K": 256, "Q5_K": 256, "Q6_K": 256, "Q5_0": 32, "Q5_1": 32, "Q8_0": 32}
_NARROW = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
"""Instead, for rows that blocks of 256 do not divide."""

_KEPT = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel",
    "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight",
    "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight",
    "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
    "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight",
    "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd", "sam.pos_embd",
    "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook",
    "mm.a.code_embd",
)  # fmt: skip
"""Parts of names of what is small, or suffers."""

_KEPT_WHOLE = ("position_embd.weight", "token_types.weight")
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
_VALUES = ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight")

_LAYER = re.compile(r"blk\.(\d+)\.")

_SHARING = {"llama": 80, "qwen2": 80, "deci": 80, "jais2": 68}
"""Layers of the models in which eight heads share their values, by architecture."""


class CannotQuantize(ValueError):
    """The model has tensors that the wanted type cannot hold; the message says which."""


def types_of(head: Gguf, wanted: Mix) -> Mapping[str, str]:
    """Give the type of each tensor by name, in the order in which llama.cpp writes them.

    Raises:
        CannotQuantize: a tensor cannot be converted.
    """
    mix = None if wanted in FLOATS else _Mixing(head, wanted)
    types: dict[str, str] = {}
    for tensor in sorted(head.tensors, key=_place):
        types[tensor.name] = kind = _type_of(tensor, wanted, mix)
        if kind != tensor.type and tensor.type not in FLOATS:
            raise CannotQuantize(f"{tensor.name}: {tensor.type} cannot be converted to {kind}")
    return types


def _type_of(tensor: Tensor, wanted: Mix, mix: _Mixing | None) -> str:
    if not _may_change(tensor):
        return tensor.type
    return wanted if mix is None else mix.type_of(tensor)


def _place(tensor: Tensor) -> tuple[int, str]:
    return _layer_of(tensor.name), tensor.name


def _layer_of(name: str) -> int:
    found = _LAYER.match(name)
    return int(found[1]) if found else -1


def _may_change(tensor: Tensor) -> bool:
    is_matrix = any(count > 1 for count in tensor.shape[1:])
    name = tensor.name
    return (
        is_matrix
        and name.endswith("weight")
        and name not in _KEPT_WHOLE
        and not any(part in name for part in _KEPT)
    )


class _Mixing:
    """Chooses for one model, whose tensors come in order."""

    def __init__(self, head: Gguf, wanted: Mix) -> None:
        self._wanted = wanted
        names = [tensor.name for tensor in head.tensors]
        self._has_output = "output.weight" in names
        self._layers = _whole(head.of_architecture("block_count"))
        self._experts = _whole(head.of_architecture("expert_count"))
        self._is_falcon = head.architecture == "falcon"
        self._shares = _shares_values(head, self._layers)
        self._values = sum(any(part in name for part in _VALUES) for name in names)
        self._values_seen = self._downs_seen = 0

    def type_of(self, tensor: Tensor) -> str:
        """Choose for the next tensor."""
        chosen = self._chosen(tensor.name, tensor.shape[0])
        if tensor.shape[0] % _BLOCK[chosen] == 0:
            return chosen
        if chosen not in _NARROW:
            raise CannotQuantize(f"{tensor.name}: rows of {tensor.shape[0]} do not fit {chosen}")
        narrow = _NARROW[chosen]
        return narrow if tensor.shape[0] % _BLOCK[narrow] == 0 else "F16"

    def _chosen(self, name: str, row: int) -> str:
        plain = "Q8_0" if self._wanted == "Q8_0" else "Q4_K"
        if name == "output.weight" or (name in _EMBEDDINGS and not self._has_output):
            is_plain = plain == "Q8_0" or self._is_falcon or row % _BLOCK[plain]
            return "Q8_0" if is_plain else "Q6_K"
        if name in _EMBEDDINGS:
            return plain
        if any(part in name for part in _VALUES):
            return self._value(plain)
        if "attn_k.weight" in name:
            return "Q8_0" if self._experts == 8 else plain
        if "attn_output.weight" in name:
            raised = plain == "Q4_K" and self._experts == 8 and not self._is_falcon
            return "Q5_K" if raised else plain
        is_down = "ffn_down" in name and not any(part in name for part in ("ffn_up", "ffn_gate"))
        return self._down(name, plain) if is_down else plain

    def _value(self, plain: str) -> str:
        seen, self._values_seen = self._values_seen, self._values_seen + 1
        if self._experts == 8:
            return "Q8_0"
        if self._wanted == "Q4_K_M" and _needs_more(seen, self._values):
            return "Q6_K"
        if self._wanted == "Q4_K_S" and seen < 4:
            return "Q5_K"
        return "Q5_K" if plain == "Q4_K" and self._shares else plain

    def _down(self, name: str, plain: str) -> str:
        layer, self._downs_seen = self._downs_seen, self._downs_seen + 1
        if self._experts > 1:
            # Experts do not come in the order of layers in every file.
            layer = _layer_of(name)
        if self._wanted == "Q4_K_S":
            is_first = layer < self._layers // 8 and not self._is_falcon
            return "Q5_K" if is_first else plain
        if self._wanted != "Q4_K_M":
            return plain
        if self._is_falcon:
            if layer < self._layers // 16:
                return "Q6_K"
            return "Q5_K" if _needs_more(layer, self._layers) else plain
        return "Q6_K" if _needs_more(layer, self._layers) else plain


def _needs_more(layer: int, layers: int) -> bool:
    """The first and last eighth, and every third layer between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _shares_values(head: Gguf, layers: int) -> bool:
    if _SHARING.get(head.architecture) != layers:
        return False
    heads = head.of_architecture("attention.head_count")
    return head.architecture != "llama" or heads != head.of_architecture("attention.head_count_kv")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
