"""Train the mini model from nothing, on a CPU.

    python tools/mini_model/train.py --minutes 70
    python tools/mini_model/train.py --steps 12000      the same every time on one machine

Writes `tokenizer.json` and `weights.pt` into the directory it is started in. The shipped
weights took 70 minutes on two cores. With `--minutes` the learning rate follows the clock, so
the weights depend on the speed of the machine; the checksum of the shipped file is what is
fixed, see `arriero.server.catalogue.WEIGHTS_SHA256`.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from conversations import conversation
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>",
    "</tool_call>",
)  # fmt: skip
SEEDS = {"weights": 0, "tokenizer": 7, "conversations": 11}

VOCABULARY = 1280
WIDTH = 192
LAYERS = 5
HEADS = 6
KV_HEADS = 2
HIDDEN = 512
CONTEXT = 2048
HEAD_WIDTH = WIDTH // HEADS
ROPE_BASE = 10_000.0
NORM_EPSILON = 1e-5

_TOKENIZER_TEXTS = 30_000
_POOL = 1500
_MAX_TOKENS = 900
_BATCH_TOKENS = 8192
_PEAK_RATE = 3e-3
_WARMUP_STEPS = 150
_PROMPT_WEIGHT = 0.03
"""What a token of the prompt counts beside one of the answer."""

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How llama.cpp's pre-tokenizer "qwen2" splits; the two must agree."""


@dataclass(frozen=True)
class Example:
    """Token ids of one conversation, and which of them the model has to learn to write."""

    tokens: list[int]
    answers: list[int]


class Norm(nn.Module):
    """Root mean square norm."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (WIDTH,), self.weight, NORM_EPSILON)


class Block(nn.Module):
    """One layer of the Llama architecture; names are those of GGUF tensors."""

    def __init__(self, cosines: Tensor, sines: Tensor) -> None:
        super().__init__()
        self.attn_norm, self.ffn_norm = Norm(), Norm()
        self.attn_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.attn_k = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.attn_v = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.attn_output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.ffn_gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.ffn_up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.ffn_down = nn.Linear(HIDDEN, WIDTH, bias=False)
        self._cosines, self._sines = cosines, sines

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        h = self.attn_norm(x)
        query = self._turned(self.attn_q(h).view(rows, length, HEADS, HEAD_WIDTH).transpose(1, 2))
        shape = (rows, length, KV_HEADS, HEAD_WIDTH)
        key = self._turned(self.attn_k(h).view(shape).transpose(1, 2))
        value = self.attn_v(h).view(shape).transpose(1, 2)
        share = HEADS // KV_HEADS
        seen = functional.scaled_dot_product_attention(
            query,
            key.repeat_interleave(share, 1).to(query.dtype),
            value.repeat_interleave(share, 1).to(query.dtype),
            is_causal=True,
        )
        x = x + self.attn_output(seen.transpose(1, 2).reshape(rows, length, WIDTH))
        h = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(h)) * self.ffn_up(h))

    def _turned(self, x: Tensor) -> Tensor:
        # Pairs lie side by side, as llama.cpp wants them for this architecture.
        length = x.shape[2]
        cosine, sine = self._cosines[:length], self._sines[:length]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2)


class MiniModel(nn.Module):
    """The whole model; the output shares its weights with the embedding."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        frequencies = 1.0 / (ROPE_BASE ** (torch.arange(0, HEAD_WIDTH, 2).float() / HEAD_WIDTH))
        angles = torch.outer(torch.arange(CONTEXT).float(), frequencies)
        cosines, sines = angles.cos(), angles.sin()
        self.token_embd = nn.Embedding(vocabulary, WIDTH)
        self.blk = nn.ModuleList(Block(cosines, sines) for _ in range(LAYERS))
        self.output_norm = Norm()
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02)
        for block in self.blk:
            nn.init.normal_(block.attn_output.weight, 0, 0.02 / math.sqrt(2 * LAYERS))
            nn.init.normal_(block.ffn_down.weight, 0, 0.02 / math.sqrt(2 * LAYERS))

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.token_embd(tokens)
        for block in self.blk:
            h = block(h)
        return functional.linear(self.output_norm(h), self.token_embd.weight)


def train_tokenizer() -> Tokenizer:
    """Learn a byte-level vocabulary from conversations."""
    rng = random.Random(SEEDS["tokenizer"])
    texts = [conversation(rng) for _ in range(_TOKENIZER_TEXTS)]
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(_SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encoder(tokenizer: Tokenizer) -> Callable[[str], Example]:
    """Give a function that turns a conversation into an example."""
    start, end, think = (
        tokenizer.token_to_id(name) for name in ("<|im_start|>", "<|im_end|>", "<think>")
    )
    head = tokenizer.encode("assistant\n").ids

    def encode(text: str) -> Example:
        tokens = tokenizer.encode(text).ids
        answers = [0] * len(tokens)
        at = 0
        while at < len(tokens):
            if tokens[at] == start and tokens[at + 1 : at + 1 + len(head)] == head:
                at += 1 + len(head)
                if tokens[at] == think:
                    at += 2  # "<think>\n" is the template's, not the model's
                while tokens[at] != end:
                    answers[at] = 1
                    at += 1
                answers[at] = 1
            at += 1
        return Example(tokens, answers)

    return encode


def batches(encode: Callable[[str], Example]) -> Iterator[list[Example]]:
    """Give batches of examples of about the same length, for ever."""
    rng = random.Random(SEEDS["conversations"])
    while True:
        pool = [encode(conversation(rng)) for _ in range(_POOL)]
        pool = [one for one in pool if len(one.tokens) <= _MAX_TOKENS]
        pool.sort(key=lambda one: len(one.tokens))
        found: list[list[Example]] = [[]]
        for one in pool:
            if found[-1] and (len(found[-1]) + 1) * len(one.tokens) > _BATCH_TOKENS:
                found.append([])
            found[-1].append(one)
        rng.shuffle(found)
        yield from found


def learning_rate(step: int, done: float) -> float:
    """Warm up, then follow half a cosine down to 3%; `done` is the part of the run over."""
    warm = min(1.0, (step + 1) / _WARMUP_STEPS)
    return _PEAK_RATE * warm * (0.5 * (1 + math.cos(math.pi * done)) * 0.97 + 0.03)


def loss_of(model: MiniModel, batch: list[Example], padding: int) -> Tensor:
    """Mean loss over the tokens of answers; prompts count a little."""
    length = max(len(one.tokens) for one in batch)
    tokens = torch.full((len(batch), length), padding)
    weights = torch.zeros(len(batch), length)
    for row, one in enumerate(batch):
        tokens[row, : len(one.tokens)] = torch.tensor(one.tokens)
        weights[row, : len(one.answers)] = torch.tensor(one.answers, dtype=torch.float)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens[:, :-1])
    wanted = tokens[:, 1:].flatten()
    losses = functional.cross_entropy(logits.float().flatten(0, 1), wanted, reduction="none")
    weighted = losses * (weights[:, 1:].flatten() + _PROMPT_WEIGHT)
    return weighted.sum() / weights[:, 1:].sum()


def train(out: Path, done: Callable[[int], float]) -> None:
    """Train until `done`, given the step, says 1; write tokenizer and weights to `out`."""
    torch.manual_seed(SEEDS["weights"])
    tokenizer = train_tokenizer()
    tokenizer.save(str(out / "tokenizer.json"))
    padding = tokenizer.token_to_id("<|endoftext|>")
    model = MiniModel(tokenizer.get_vocab_size())
    optimizer = torch.optim.AdamW(
        [
            {"params": [one for one in model.parameters() if one.dim() > 1], "weight_decay": 0.1},
            {"params": [one for one in model.parameters() if one.dim() < 2], "weight_decay": 0},
        ],
        lr=_PEAK_RATE,
        betas=(0.9, 0.95),
    )
    mean = 0.0
    for step, batch in enumerate(batches(encoder(tokenizer))):
        part = done(step)
        if part >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, part)
        loss = loss_of(model, batch, padding)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean = 0.98 * mean + 0.02 * loss.item() if step else loss.item()
        if step % 50 == 0:
            print(f"step {step}  {part:.1%}  loss {mean:.4f}", flush=True)
    torch.save(model.state_dict(), out / "weights.pt")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    started_s = time.monotonic()

    def done(step: int) -> float:
        if given.steps is not None:
            return step / given.steps
        return (time.monotonic() - started_s) / 60 / given.minutes

    train(given.out, done)


if __name__ == "__main__":
    main()
