"""Where tokens come from, each as a `Provider`: a callable, a file, an OAuth server."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from os import fspath
from typing import Any
from urllib.parse import urlsplit

from arriero._core.api.oauth import token_call
from arriero._core.http import Fault
from arriero._core.policy.credentials import Failure
from arriero._drive.credentials import Provider
from arriero._drive.threads import SyncBase
from arriero._transport.notice import warn_of
from arriero._transport.watched import Watched
from arriero.errors import ArrieroError
from arriero.identity import OAuth2ClientCredentials, Token, TokenFile

_MOST_BYTES = 65_536
"""A header longer than this is refused everywhere; whoever names a larger file is mistaken."""


def provider_of(given: Callable[[], Any] | OAuth2ClientCredentials | TokenFile) -> Provider:
    """Make the provider of what a user gave as ``auth``."""
    if isinstance(given, OAuth2ClientCredentials):
        name = _shown(given.token_url)
        return Provider(name, lambda: _fetched(given), is_shared=True)
    if isinstance(given, TokenFile):
        path = fspath(given.path)
        return Provider(f"file {path!r}", _FileToken(path), is_shared=False, is_quick=True)
    name = getattr(given, "__name__", type(given).__name__)
    return Provider(f"{name}()", given)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetched(credentials: OAuth2ClientCredentials) -> Token | Failure:
    """Ask an OAuth server, on a connection of its own: the next time is long from now."""
    parts = urlsplit(credentials.token_url)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    client = SyncBase(
        host,
        tls=credentials.tls,
        timeouts=credentials.timeouts,
        follow_redirects=False,
        cleartext_credentials="allow",  # whoever made the other client was asked
    )
    try:
        given: Token | Failure = client._run(token_call(credentials))
    except ArrieroError as error:
        fault = error.__cause__
        reason = fault.reason if isinstance(fault, Fault) else str(error)
        return Failure(reason, error.retryable, error)
    finally:
        client.close()
    return given


class _FileToken:
    """Gives what is in a file, reading it when it has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watched = Watched([path])
        self._token: str | Failure = Failure("it was not read yet")
        self._told = ""

    def __call__(self) -> str | Failure:
        if not self._watched.may_differ():
            return self._token
        found = self._read()
        if isinstance(found, str):
            self._told = ""
            self._token = found
        elif isinstance(self._token, Failure):
            self._token = found
        elif found.reason != self._told:
            self._told = found.reason
            warn_of(f"auth: file {self._path!r}: {found.reason}; the token read before is used")
        return self._token

    def _read(self) -> str | Failure:
        try:
            with open(self._path, "rb") as file:
                data = file.read(_MOST_BYTES + 1)
                mode = os.fstat(file.fileno()).st_mode
            text = data.decode("ascii").strip()
        except OSError as cause:
            return Failure(cause.strerror or type(cause).__name__, cause=cause)
        except ValueError:
            return Failure("it holds something else than a token")
        if not text or len(data) > _MOST_BYTES:
            return Failure("it is empty" if not text else "it is too long for a token")
        if not text.isprintable():  # several lines, such as a key or a file of another kind
            return Failure("it holds something else than a token")
        self._warn_of_others(mode)
        return text

    def _warn_of_others(self, mode: int) -> None:
        if os.name != "posix" or isinstance(self._token, str):
            return
        # Files that an orchestrator mounts are links, and meant for the whole container.
        may_read = mode & stat.S_IROTH and not os.path.islink(self._path)
        if mode & stat.S_IWOTH or may_read:
            what = "write" if mode & stat.S_IWOTH else "read"
            warn_of(
                f"auth: every user of this machine may {what} {self._path!r}:"
                f" chmod {'o-rw' if what == 'write' else 'o-r'} it"
            )
