"""What runs a model: the `Engine` protocol, and one module per implementation."""

from __future__ import annotations
