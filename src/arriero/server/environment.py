"""Ollama's environment variables, as far as they apply here.

A value that makes no sense is left aside with a warning, as Ollama does: a server that is started
by the system must come up.

Source: Ollama v0.33.0-rc2, envconfig/config.go.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from .durations import InvalidDuration, parse_keep_alive

_log = logging.getLogger("arriero.server")

PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_NO = ("0", "f", "F", "FALSE", "false", "False")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the variables say; None where they say nothing.

    Attributes:
        host: Address to listen on [OLLAMA_HOST].
        port: Port to listen on [OLLAMA_HOST].
        origins: Origins of web pages allowed besides those on this machine [OLLAMA_ORIGINS].
        store: Folder of the models [OLLAMA_MODELS].
        keep_alive: How long an idle model stays loaded [OLLAMA_KEEP_ALIVE].
        max_loaded_models: Models loaded at once [OLLAMA_MAX_LOADED_MODELS].
        max_queue: Requests that may wait for a load [OLLAMA_MAX_QUEUE].
        num_parallel: Requests one model runs at once [OLLAMA_NUM_PARALLEL].
        context_length: Tokens of context where a request names none [OLLAMA_CONTEXT_LENGTH].
        prune: Whether blobs of the store that no model needs are removed [not OLLAMA_NOPRUNE].
        debug: Whether everything is logged [OLLAMA_DEBUG].
    """

    host: str | None = None
    port: int | None = None
    origins: tuple[str, ...] = ()
    store: str | None = None
    keep_alive: str | None = None
    max_loaded_models: int | None = None
    max_queue: int | None = None
    num_parallel: int | None = None
    context_length: int | None = None
    prune: bool = True
    debug: bool = False


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read Ollama's variables among all of them."""
    values = {
        name: text
        for name, value in variables.items()
        if name.startswith("OLLAMA_") and (text := value.strip().strip("\"'").strip())
    }
    host, port = _listen_on(values.get("OLLAMA_HOST", ""))
    origins = values.get("OLLAMA_ORIGINS", "").split(",")
    return Environment(
        host=host,
        port=port,
        origins=tuple(origin.strip() for origin in origins if origin.strip()),
        store=values.get("OLLAMA_MODELS"),
        keep_alive=_keep_alive(values),
        max_loaded_models=_number(values, "OLLAMA_MAX_LOADED_MODELS"),
        max_queue=_number(values, "OLLAMA_MAX_QUEUE"),
        num_parallel=_number(values, "OLLAMA_NUM_PARALLEL"),
        context_length=_number(values, "OLLAMA_CONTEXT_LENGTH"),
        prune=not _is_on(values, "OLLAMA_NOPRUNE"),
        debug=_is_on(values, "OLLAMA_DEBUG"),
    )


def _listen_on(text: str) -> tuple[str | None, int | None]:
    """Host and port of ``[scheme://]host[:port][/path]``; scheme and path do not count here."""
    if not text:
        return None, None
    scheme, separator, rest = text.partition("://")
    default = _SCHEME_PORTS.get(scheme, PORT) if separator else PORT
    place = (rest if separator else text).partition("/")[0]
    host, colon, port_text = place.rpartition(":")
    if not colon or _is_address(place) or place.endswith("]"):
        host, port_text = place, ""
    port = int(port_text) if port_text.isascii() and port_text.isdigit() else default
    if port > 65535 or (port_text and not port_text.isdigit()):
        _log.warning("OLLAMA_HOST: %r is no port, %d is used", port_text, default)
        port = default
    # Without a host Ollama listens on every address; `:8080` reads as if it did.
    return host.strip("[]") or ("0.0.0.0" if colon else "127.0.0.1"), port  # noqa: S104


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _keep_alive(values: Mapping[str, str]) -> str | None:
    """A duration, or whole seconds."""
    text = values.get("OLLAMA_KEEP_ALIVE")
    if text is None:
        return None
    plain = f"{text}s" if text.lstrip("-").isdigit() else text
    try:
        parse_keep_alive(plain)
    except InvalidDuration as error:
        _log.warning("OLLAMA_KEEP_ALIVE is left aside: %s", error)
        return None
    return plain


def _number(values: Mapping[str, str], name: str) -> int | None:
    """A number above 0; 0 means that the server decides."""
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        _log.warning("%s is left aside: %r is no number", name, text)
        return None
    return int(text) or None


def _is_on(values: Mapping[str, str], name: str) -> bool:
    """Anything but Go's words for no means yes."""
    return name in values and values[name] not in _NO
