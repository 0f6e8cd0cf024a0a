"""Causes of failures in a few words, without credentials."""

from __future__ import annotations

import os
import re
import socket
import sys

_SOURCE = re.compile(r"\s*\(_ssl\.c:\d+\)|_ssl\.c:\d+:\s*")
"""Where in Python's own source it was noticed, which helps nobody."""

_USERINFO = re.compile(r"//[^/@\s]*@")


def reason_from(error: BaseException) -> str:
    """Say in a few words what `error` means, whatever library wrapped it."""
    root = _root(error)
    of_tls = _reason_of_tls(root) if "ssl" in sys.modules else None  # else it is none of its errors
    if of_tls is not None:
        return of_tls
    if isinstance(root, socket.gaierror):
        return f"name not found: {root.strerror}"
    if isinstance(root, OSError) and root.errno:
        # Libraries put their own words, and addresses, into `strerror`.
        return os.strerror(root.errno)
    # Some messages are drawings over several lines.
    text = " ".join(_USERINFO.sub("//", str(root)).split())
    return text[:300] or type(root).__name__


def _reason_of_tls(root: BaseException) -> str | None:
    import ssl

    if isinstance(root, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {root.verify_message}"
    if isinstance(root, ssl.SSLError):
        said = _SOURCE.sub("", str(getattr(root, "reason", "") or root.strerror or root))
        return f"TLS: {said}".replace("_", " ").lower()
    return None


def _root(error: BaseException) -> BaseException:
    """Find the operating system's error inside `error`, else the error itself."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        # Some libraries derive from these too, but do not set what theirs have.
        is_original = type(found).__module__ in ("builtins", "socket", "ssl")
        if is_original and isinstance(found, OSError) and found.errno is not None:
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return error
