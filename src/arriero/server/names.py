"""Model names, as the server's modules know them: those of `arriero.names`."""

from __future__ import annotations

from ..names import (
    DEFAULT_HOST,
    DEFAULT_NAMESPACE,
    DEFAULT_TAG,
    ConflictingSource,
    InvalidName,
    ModelName,
    Source,
    parse_name,
    split_source,
)

__all__ = (
    "DEFAULT_HOST",
    "DEFAULT_NAMESPACE",
    "DEFAULT_TAG",
    "ConflictingSource",
    "InvalidName",
    "ModelName",
    "Source",
    "parse_name",
    "split_source",
)
