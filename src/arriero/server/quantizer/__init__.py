"""Models in fewer bits: which tensor becomes what, and the process that converts them."""

from __future__ import annotations

from .process import QuantizingFailed, quantized

__all__ = ("QuantizingFailed", "quantized")
