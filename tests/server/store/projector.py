"""A file that turns pictures into tokens: random weights, but llama.cpp runs it.

One block of a vision transformer over four patches, and the two-layer projector of LLaVA, as wide
as the mini model. What it sees means nothing; that it is read, sized and shown is what is tested.

Source: llama.cpp, tools/mtmd/clip-impl.h and clip.cpp, for the names.
"""

from __future__ import annotations

import io
import struct

import numpy as np

from arriero.server import gguf

_BOOL, _FLOAT = 7, 6
_SIDE, _PATCH, _WIDTH, _INNER = 28, 14, 32, 64
_MODEL_WIDTH = 192
_PATCHES = (_SIDE // _PATCH) ** 2
_ALIGNMENT = 32

_TEXTS = {
    "general.architecture": "clip",
    "general.type": "mmproj",
    "clip.projector_type": "mlp",
}
_FLAGS = ("clip.has_vision_encoder", "clip.use_gelu")
_NUMBERS = {
    "general.file_type": 0,
    "clip.vision.image_size": _SIDE,
    "clip.vision.patch_size": _PATCH,
    "clip.vision.embedding_length": _WIDTH,
    "clip.vision.feed_forward_length": _INNER,
    "clip.vision.block_count": 1,
    "clip.vision.attention.head_count": 2,
    "clip.vision.projection_dim": _MODEL_WIDTH,
}
_SQUARE = ("attn_q", "attn_k", "attn_v", "attn_out")

_SHAPES: dict[str, tuple[int, ...]] = {
    "v.patch_embd.weight": (_PATCH, _PATCH, 3, _WIDTH),
    "v.position_embd.weight": (_WIDTH, _PATCHES),
    "mm.0.weight": (_WIDTH, _MODEL_WIDTH),
    "mm.0.bias": (_MODEL_WIDTH,),
    "mm.2.weight": (_MODEL_WIDTH, _MODEL_WIDTH),
    "mm.2.bias": (_MODEL_WIDTH,),
    **{f"v.blk.0.{name}.weight": (_WIDTH, _WIDTH) for name in _SQUARE},
    **{f"v.blk.0.{name}.bias": (_WIDTH,) for name in (*_SQUARE, "ln1", "ln2", "ffn_down")},
    **{f"v.blk.0.{name}.weight": (_WIDTH,) for name in ("ln1", "ln2")},
    "v.blk.0.ffn_up.weight": (_WIDTH, _INNER),
    "v.blk.0.ffn_up.bias": (_INNER,),
    "v.blk.0.ffn_down.weight": (_INNER, _WIDTH),
}


def projector() -> bytes:
    """The file, always the same."""
    random = np.random.default_rng(1)
    infos, body = io.BytesIO(), io.BytesIO()
    for name, shape in _SHAPES.items():
        infos.write(gguf._counted(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        infos.write(struct.pack("<IQ", 0, body.tell()))
        values = random.normal(0, 0.05, int(np.prod(shape))).astype(np.float32).tobytes()
        body.write(values + bytes(-len(values) % _ALIGNMENT))
    pairs = _pairs()
    counts = struct.pack("<4sIQQ", b"GGUF", 3, len(_SHAPES), len(pairs))
    head = b"".join((counts, *pairs, infos.getvalue()))
    return head + bytes(-len(head) % _ALIGNMENT) + body.getvalue()


def _pairs() -> list[bytes]:
    rows = [
        gguf._counted(f"clip.vision.image_{kind}") + struct.pack("<IIQ3f", 9, _FLOAT, 3, *[0.5] * 3)
        for kind in ("mean", "std")
    ]
    epsilon = gguf._counted("clip.vision.attention.layer_norm_epsilon")
    return [
        *(gguf._pair(key, value) for key, value in {**_TEXTS, **_NUMBERS}.items()),
        *(gguf._counted(key) + struct.pack("<IB", _BOOL, 1) for key in _FLAGS),
        epsilon + struct.pack("<If", _FLOAT, 1e-5),
        *rows,
    ]
