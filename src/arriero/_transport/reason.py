"""Causes of failures in a few words, without credentials."""

from __future__ import annotations

import re
import socket
import ssl

_USERINFO = re.compile(r"//[^/@\s]*@")


def reason_from(error: BaseException) -> str:
    """Say in a few words what `error` means, whatever library wrapped it."""
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {root.verify_message}"
    if isinstance(root, ssl.SSLError):
        return f"TLS: {root.reason or root.strerror or root}".replace("_", " ")
    if isinstance(root, socket.gaierror):
        return f"name not found: {root.strerror}"
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    text = _USERINFO.sub("//", str(root)).strip()
    return text[:300] or type(root).__name__


def _root(error: BaseException) -> BaseException:
    """Find the operating system's error inside `error`, else the error itself."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, OSError) and (found.errno is not None or type(found) in _OWN_TEXT):
            return found
        seen.add(id(found))
        inner = None if found.__suppress_context__ else found.__context__
        found = found.__cause__ or inner
    return error


_OWN_TEXT = (ssl.SSLCertVerificationError, ssl.SSLError, socket.gaierror)
