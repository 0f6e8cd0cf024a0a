"""What each tensor becomes, as llama.cpp chooses."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from arriero.server.gguf import Gguf, Tensor
from arriero.server.quantizer.mixes import CannotQuantize, Mix, types_of

LLAMA_7B = {"general.architecture": "llama", "llama.block_count": 32}
MORE = {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31}
"""Layers of 32 that Q4_K_M gives more bits, as every published 7B file of that name shows."""


def model(
    layers: int = 32, row: int = 4096, *, output: bool = True, kind: str = "F16", **keys: object
) -> Gguf:
    """The head of a model of llama's kind."""
    parts = ("attn_k", "attn_output", "attn_q", "attn_v", "ffn_down", "ffn_gate", "ffn_up")
    names = [f"blk.{at}.{part}.weight" for at in range(layers) for part in parts]
    names += ["token_embd.weight", *(["output.weight"] if output else [])]
    tensors = [Tensor(name, kind, (row, 512)) for name in names]
    tensors += [Tensor("output_norm.weight", "F32", (row,))]
    return Gguf({**LLAMA_7B, "llama.block_count": layers, **keys}, tuple(tensors))


def layer(row: int, kind: str = "F16") -> Gguf:
    """The head of a model of one layer, and nothing else."""
    head = model(1, row, kind=kind)
    return Gguf(head.metadata, head.tensors[:7])


def of(types: Iterable[tuple[str, str]], part: str) -> dict[int, str]:
    """The types of one part of each layer."""
    return {int(name.split(".")[1]): kind for name, kind in types if f".{part}." in name}


def test_the_medium_mix_of_a_known_model() -> None:
    """Values and the way down get more bits in half of the layers."""
    types = types_of(model(), "Q4_K_M")

    for part in ("attn_v", "ffn_down"):
        assert of(types.items(), part) == {at: "Q6_K" if at in MORE else "Q4_K" for at in range(32)}
    for part in ("attn_k", "attn_q", "attn_output", "ffn_gate", "ffn_up"):
        assert set(of(types.items(), part).values()) == {"Q4_K"}
    assert (types["token_embd.weight"], types["output.weight"]) == ("Q4_K", "Q6_K")
    assert types["output_norm.weight"] == "F32"


def test_the_small_mix_of_a_known_model() -> None:
    """Only the first layers get more."""
    types = types_of(model(), "Q4_K_S")

    assert of(types.items(), "attn_v") == {at: "Q5_K" if at < 4 else "Q4_K" for at in range(32)}
    assert of(types.items(), "ffn_down") == {at: "Q5_K" if at < 4 else "Q4_K" for at in range(32)}


@pytest.mark.parametrize(("wanted", "kind"), [("Q8_0", "Q8_0"), ("F32", "F32"), ("BF16", "BF16")])
def test_a_plain_type_is_that_of_all_matrices(wanted: Mix, kind: str) -> None:
    """Vectors stay."""
    types = dict(types_of(model(2), wanted))

    assert types.pop("output_norm.weight") == "F32"
    assert set(types.values()) == {kind}


def test_layers_are_counted_by_number() -> None:
    """`blk.10` comes after `blk.9`, whatever the order of the file or of letters."""
    head = model(12)
    turned = Gguf(head.metadata, head.tensors[::-1])

    assert types_of(turned, "Q4_K_M") == types_of(head, "Q4_K_M")
    assert list(of(types_of(turned, "Q4_K_M").items(), "attn_v")) == list(range(12))


def test_embeddings_that_are_the_output_too_are_treated_as_that() -> None:
    """Many small models have one matrix for both."""
    assert types_of(model(output=False), "Q4_K_M")["token_embd.weight"] == "Q6_K"


@pytest.mark.parametrize(
    ("row", "value", "other"),
    [(512, "Q6_K", "Q4_K"), (320, "Q8_0", "Q5_0"), (100, "F16", "F16")],
)
def test_rows_that_do_not_fit_get_smaller_blocks(row: int, value: str, other: str) -> None:
    """256 at a time, else 32, else none."""
    types = types_of(layer(row), "Q4_K_M")

    assert (types["blk.0.attn_v.weight"], types["blk.0.attn_q.weight"]) == (value, other)


def test_an_output_that_does_not_fit_gets_eight_bits() -> None:
    """Straight away."""
    assert types_of(model(1, 320), "Q4_K_M")["output.weight"] == "Q8_0"


def test_five_bits_fall_back_too() -> None:
    """To the other five-bit type."""
    assert types_of(model(1, 320), "Q4_K_S")["blk.0.attn_v.weight"] == "Q5_1"


def test_eight_experts_get_more_where_it_costs_little() -> None:
    """As Mixtral does."""
    types = types_of(model(**{"llama.expert_count": 8}), "Q4_K_M")

    assert {types["blk.9.attn_v.weight"], types["blk.9.attn_k.weight"]} == {"Q8_0"}
    assert types["blk.9.attn_output.weight"] == "Q5_K"


def test_experts_are_found_by_the_number_of_their_layer() -> None:
    """There are many in each."""
    head = model(32, **{"llama.expert_count": 2})
    doubled = tuple(
        Tensor(one.name.replace("ffn_down.", f"ffn_down.{expert}."), one.type, one.shape)
        for one in head.tensors
        for expert in ((0, 1) if "ffn_down" in one.name else (0,))
    )
    types = types_of(Gguf(head.metadata, doubled), "Q4_K_M")

    found = {at for at in range(32) if types[f"blk.{at}.ffn_down.1.weight"] == "Q6_K"}
    assert found == MORE


@pytest.mark.parametrize(("heads", "kind"), [(8, "Q5_K"), (64, "Q4_K")])
def test_a_model_whose_heads_share_values_spends_more_on_them(heads: int, kind: str) -> None:
    """Llama 2 70B and its like; not the 65B before, of as many layers."""
    keys = {"llama.attention.head_count": 64, "llama.attention.head_count_kv": heads}
    assert types_of(model(80, **keys), "Q4_K_M")["blk.11.attn_v.weight"] == kind


def test_falcon_has_rules_of_its_own() -> None:
    """Five bits where others have six, and an output of eight."""
    keys = {"general.architecture": "falcon", "falcon.block_count": 32}
    types = types_of(model(32, **keys), "Q4_K_M")

    found = of(types.items(), "ffn_down")
    assert (found[0], found[2], found[4]) == ("Q6_K", "Q5_K", "Q4_K")
    assert types["output.weight"] == "Q8_0"


@pytest.mark.parametrize(
    "name",
    [
        "blk.0.attn_norm.weight",
        "blk.0.ffn_gate_inp.weight",
        "blk.0.ssm_conv1d.weight",
        "position_embd.weight",
        "token_types.weight",
        "blk.0.attn_q.bias",
    ],
)
def test_what_is_small_or_suffers_stays(name: str) -> None:
    """Whatever the wanted type."""
    head = Gguf(LLAMA_7B, (Tensor(name, "F16", (256, 256)),))
    assert types_of(head, "Q4_K_M") == types_of(head, "F32") == {name: "F16"}


def test_a_matrix_of_one_row_is_a_vector() -> None:
    """As ggml counts dimensions."""
    head = Gguf(LLAMA_7B, (Tensor("blk.0.attn_q.weight", "F32", (256, 1)),))
    assert types_of(head, "Q8_0") == {"blk.0.attn_q.weight": "F32"}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (layer(256, "Q4_0"), r"blk\.0\.attn_k\.weight: Q4_0 cannot be converted to Q8_0"),
        (layer(100), r"rows of 100 do not fit Q8_0"),
    ],
)
def test_what_cannot_be_held_is_named(head: Gguf, message: str) -> None:
    """Nothing is quantised twice, nothing is padded."""
    with pytest.raises(CannotQuantize, match=message):
        types_of(head, "Q8_0")
