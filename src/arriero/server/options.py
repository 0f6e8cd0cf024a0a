"""Check and type the `options` of a request.

Source: Ollama v0.33.0-rc2, api/types.go Options.FromMap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_INTEGERS = frozenset({
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n",
})  # fmt: skip
_FLOATS = frozenset({
    "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty",
    "frequency_penalty",
})  # fmt: skip
_BOOLEANS = frozenset({"use_mmap"})

DEFAULTS: Mapping[str, Any] = {
    "num_keep": 4,
    "seed": -1,
    "num_predict": -1,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_last_n": 64,
    "temperature": 0.8,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Ollama's defaults; the load options are not here, they follow from the model."""

_INT32 = (-(2**31), 2**31 - 1)


class OptionError(ValueError):
    """An option has the wrong type; the message is Ollama's."""


@dataclass(frozen=True, slots=True)
class Options:
    """Typed options of one request.

    Attributes:
        given: What the request set, types checked, unknown names dropped.
    """

    given: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def sampling(self) -> dict[str, Any]:
        """Every sampling option, defaults filled in."""
        merged = dict(DEFAULTS)
        merged |= {name: value for name, value in self.given.items() if name in DEFAULTS}
        if "stop" in self.given:
            merged["stop"] = self.given["stop"]
        return merged

    def integer(self, name: str) -> int | None:
        """Value of an integer option, or None if the request did not set it."""
        value = self.given.get(name)
        return value if isinstance(value, int) else None


def parse_options(raw: Mapping[str, Any] | None) -> Options:
    """Check every option of a request. Unknown names are dropped, null values are skipped.

    Raises:
        OptionError: a value has the wrong type.
    """
    given: dict[str, Any] = {}
    for name, value in (raw or {}).items():
        if value is None:
            continue
        if name in _INTEGERS:
            given[name] = _integer(name, value)
        elif name in _FLOATS:
            given[name] = _float(name, value)
        elif name in _BOOLEANS:
            if not isinstance(value, bool):
                raise OptionError(f'option "{name}" must be of type boolean')
            given[name] = value
        elif name == "stop":
            given[name] = _texts(name, value)
    return Options(given)


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OptionError(f'option "{name}" must be of type integer')
    # Go reads a float and cuts it; llama.cpp keeps 32 bits.
    low, high = _INT32
    return max(low, min(high, int(value)))


def _float(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OptionError(f'option "{name}" must be of type float32')
    return float(value)


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise OptionError(f'option "{name}" must be of type array')
    texts: list[str] = []
    for item in value:  # pyright: ignore[reportUnknownVariableType]  # decoded JSON
        if not isinstance(item, str):
            raise OptionError(f'option "{name}" must be of an array of strings')
        texts.append(item)
    return texts
