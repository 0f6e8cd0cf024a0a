"""Write trained weights as a GGUF file, with tokenizer and chat template.

python tools/mini_model/export.py            mini-q8_0.gguf from weights.pt
python tools/mini_model/export.py --type f16
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from train import (
    CONTEXT,
    HEAD_WIDTH,
    HEADS,
    HIDDEN,
    KV_HEADS,
    LAYERS,
    NORM_EPSILON,
    ROPE_BASE,
    SPECIAL,
    WIDTH,
)

TEMPLATE = Path(__file__).resolve().parents[2] / "src/arriero/server/weights/template.jinja"
_FILE_TYPE = {"f16": 1, "q8_0": 7}
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4


def export(weights: Path, tokenizer: Path, target: Path, kind: str) -> None:
    """Write one GGUF file.

    Args:
        weights: What training wrote.
        tokenizer: What training wrote.
        target: The file to write.
        kind: ``q8_0`` or ``f16``; norms stay 32-bit.
    """
    writer = gguf.GGUFWriter(target, "llama")
    _write_description(writer, kind)
    _write_tokenizer(writer, json.loads(tokenizer.read_text("utf-8"))["model"])
    for name, tensor in torch.load(weights, map_location="cpu").items():
        _write_tensor(writer, name, tensor.float().numpy(), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_description(writer: gguf.GGUFWriter, kind: str) -> None:
    writer.add_name("arriero mini")
    writer.add_description(
        "A 2M-parameter chat model for tests and demos: llama facts, small stories, tool calls, "
        "JSON, thinking."
    )
    writer.add_license("mit")
    writer.add_author("arriero")
    writer.add_file_type(_FILE_TYPE[kind])
    writer.add_size_label("2.2M")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(ROPE_BASE)


def _write_tokenizer(writer: gguf.GGUFWriter, model: dict[str, Any]) -> None:
    ids: dict[str, int] = model["vocab"]
    tokens = sorted(ids, key=lambda token: ids[token])
    types = [_NORMAL] * len(tokens)
    for token in SPECIAL:
        types[ids[token]] = _CONTROL if token.startswith("<|") else _USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE.read_text("utf-8"))


def _write_tensor(writer: gguf.GGUFWriter, name: str, values: Any, kind: str) -> None:
    if values.ndim == 1:
        writer.add_tensor(name, values.astype(np.float32))
    elif kind == "f16":
        writer.add_tensor(name, values.astype(np.float16))
    else:
        q8_0 = gguf.GGMLQuantizationType.Q8_0
        packed = gguf.quants.quantize(values.astype(np.float32), q8_0)
        writer.add_tensor(name, packed, raw_dtype=q8_0)


def main() -> None:
    """Read the command line, export, and print the checksum."""
    parser = argparse.ArgumentParser(description="Write trained weights as a GGUF file.")
    parser.add_argument("--weights", type=Path, default=Path("weights.pt"))
    parser.add_argument("--tokenizer", type=Path, default=Path("tokenizer.json"))
    parser.add_argument("--type", choices=sorted(_FILE_TYPE), default="q8_0")
    given = parser.parse_args()
    target = Path(f"mini-{given.type}.gguf")
    export(given.weights, given.tokenizer, target, given.type)
    print(hashlib.sha256(target.read_bytes()).hexdigest(), target)


if __name__ == "__main__":
    main()
