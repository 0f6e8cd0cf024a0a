"""Model names: ``[scheme://][host/][namespace/]model[:tag]`` and source suffixes.

Source: Ollama v0.33.0-rc2, types/model/name.go and internal/modelref.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_PART = {
    "host": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-.:]{0,349}\Z"),
    "namespace": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,79}\Z"),
    "model": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-.]{0,79}\Z"),
    "tag": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-.]{0,79}\Z"),
}

Source: TypeAlias = Literal["", "local", "cloud"]
"""Where a request wants its model from: anywhere, here only, or ollama.com."""


class InvalidName(ValueError):
    """The text is no model name."""


class ConflictingSource(ValueError):
    """The text asks for both sources; the message is Ollama's."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A complete name; case as given."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def checked(cls, host: str, namespace: str, model: str, tag: str) -> ModelName:
        """Make a name of four parts. Raises `InvalidName`."""
        name = cls(host, namespace, model, tag)
        for part, pattern in _PART.items():
            if not pattern.match(getattr(name, part)):
                raise InvalidName(name.full)
        return name

    @property
    def full(self) -> str:
        """Every part, as capability errors print it."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def shortest(self) -> str:
        """Without the parts that have their default; the tag is always there."""
        text = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{text}"
        return text if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{text}"

    @property
    def folded(self) -> str:
        """Equal for two names that differ in case only."""
        return self.full.lower()


def parse_name(text: str) -> ModelName:
    """Read a name and fill in the defaults. Spaces are not trimmed.

    Raises:
        InvalidName: a part is missing or has a character it may not have.
    """
    rest = text.partition("://")[2] if "://" in text else text
    rest, tag = _cut_last(rest, ":") if rest.rfind(":") > rest.rfind("/") else (rest, DEFAULT_TAG)
    parts = rest.split("/")
    if len(parts) > 3:
        raise InvalidName(text)
    model = parts[-1]
    namespace = parts[-2] if len(parts) > 1 else DEFAULT_NAMESPACE
    host = parts[0] if len(parts) == 3 else DEFAULT_HOST
    return ModelName.checked(host, namespace, model, tag)


def split_source(text: str) -> tuple[str, Source]:
    """Cut a source suffix off: ``:cloud``, ``-cloud`` after a tag, ``:local``.

    Raises:
        ConflictingSource: both sources are named.
    """
    base, source = _one_source(text)
    if source and _one_source(base)[1] not in ("", source):
        raise ConflictingSource(f'use either :local or :cloud, not both: "{text}"')
    return base, source


@functools.lru_cache(256)
def folded_name(text: str) -> str:
    """Give a name as its server compares it; "" for one that runs elsewhere, or is none."""
    try:
        name, source = split_source(text.strip())
        return "" if source == "cloud" else parse_name(name).folded
    except (InvalidName, ConflictingSource):
        return ""


def _one_source(text: str) -> tuple[str, Source]:
    base, colon, last = text.rpartition(":")
    if not colon:
        return text, ""
    word = last.lower()
    if word in ("cloud", "local"):
        return base, "cloud" if word == "cloud" else "local"
    if word.endswith("-cloud") and "/" not in word:
        return text[: -len("-cloud")], "cloud"
    return text, ""


def _cut_last(text: str, separator: str) -> tuple[str, str]:
    left, _, right = text.rpartition(separator)
    return left, right
