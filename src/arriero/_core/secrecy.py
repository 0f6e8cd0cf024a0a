"""Servers quote in their errors what they were sent; errors end in logs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import quote, quote_plus

from arriero._core.policy.cleartext import is_secret
from arriero.errors import ArrieroError, ParseError

_MIN_SECRET = 6
"""Shortest text that is taken out: a shorter one would also be found where it is none."""

_INSTEAD = "[secret]"

_ENDS = frozenset("'\"")
"""What follows a text that was cut when it was quoted."""

_THE_MODELS = frozenset({"partial", "response"})
"""What of an error is no server's text but an answer: it is the caller's own."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Put ``[secret]`` where `text` repeats one of `secrets`, the longest first.

    So it does where the text was cut within one: at its end, or the end of a quotation.
    """
    kept = sorted((one for one in secrets if len(one) >= _MIN_SECRET), key=len, reverse=True)
    for secret in kept:
        text = text.replace(secret, _INSTEAD)
    for secret in kept:
        text = _without_beginning(text, secret)
    return text


def _without_beginning(text: str, secret: str) -> str:
    at = text.find(secret[:_MIN_SECRET])
    while at >= 0:
        end = at + _MIN_SECRET
        while end < len(text) and end - at < len(secret) and text[end] == secret[end - at]:
            end += 1
        if end == len(text) or text[end] in _ENDS:
            text = f"{text[:at]}{_INSTEAD}{text[end:]}"
        at = text.find(secret[:_MIN_SECRET], at + 1)
    return text


def cleaned(
    error: Exception, headers: Iterable[tuple[str, str]], others: Iterable[str] = ()
) -> None:
    """Take out of an error, and of what caused it, what they repeat of what was sent.

    Args:
        error: The error.
        headers: Those that were sent.
        others: Secrets besides those in the headers.
    """
    secrets = secrets_of(headers) | _forms(others)
    if not secrets or isinstance(error, ParseError):
        return
    error.args = tuple(_without(value, secrets) for value in error.args)
    for name, value in vars(error).items():
        if name not in _THE_MODELS and not name.startswith("__"):
            setattr(error, name, _without(value, secrets))
    link: BaseException = error
    while (cause := link.__cause__ or link.__context__) is not None:
        if not isinstance(cause, ArrieroError) and str(cause) != redacted(str(cause), secrets):
            link.__cause__ = link.__context__ = None
            return
        link = cause


def _without(value: object, secrets: set[str]) -> Any:
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, dict):
        parts = cast("dict[Any, object]", value).items()
        return {_without(name, secrets): _without(part, secrets) for name, part in parts}
    if isinstance(value, list):
        return [_without(part, secrets) for part in cast("list[object]", value)]
    return value


def secrets_of(headers: Iterable[tuple[str, str]]) -> set[str]:
    """Give what is secret in a request's headers, in every form a server may know it by."""
    secrets: set[str] = set()
    for name, value in headers:
        if not is_secret(name):
            continue
        scheme, _, coded = value.partition(" ")
        parts = {value, *(coded or value).replace(";", " ").split()}
        parts |= {part.partition("=")[2] for part in parts}
        if scheme.lower() == "basic":
            parts.add(_password(coded))
        secrets |= parts
    return _forms(secrets)


def _forms(secrets: Iterable[str]) -> set[str]:
    return {form for one in secrets for form in (one, quote(one), quote_plus(one), repr(one)[1:-1])}


def _password(coded: str) -> str:
    try:
        return base64.b64decode(coded).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
