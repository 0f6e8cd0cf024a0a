"""TLS contexts made from settings, for every adapter that dials by itself."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from arriero._transport.notice import warn_of
from arriero._transport.watched import Watched
from arriero.errors import RequestError
from arriero.settings import Tls

if TYPE_CHECKING:
    import ssl  # else imported where it is needed: a plain connection needs it nowhere


class Contexts:
    """The contexts of one client, made anew when the files they came from have changed.

    A context is for new connections; those that stand are left alone.

    Attributes:
        pins: See `Tls.pins`.
    """

    def __init__(self, tls: Tls | None) -> None:
        """Read the files of `tls`, which should fail now if they are wrong.

        Reading the system's authorities, for None, takes 20 ms and waits for the first https
        host.

        Raises:
            RequestError: see `context_from`.
        """
        self._tls = tls or Tls()
        self.pins = self._tls.pins
        self._paths = _paths_of(self._tls)
        self._watched = Watched(self._paths)
        self._digest: bytes = b""
        self._told: bytes = b""
        self._to_server: ssl.SSLContext | None = None
        self._to_proxy: ssl.SSLContext | None = None
        if tls is not None:
            self.to_server()

    def to_server(self) -> ssl.SSLContext:
        """Give the context for a connection to the server."""
        self._renew()
        if self._to_server is None:
            self._to_server = context_from(self._tls)
        return self._to_server

    def to_proxy(self) -> ssl.SSLContext:
        """Give the context for a connection to a proxy.

        Our own certificate is for the server, not for whoever stands between.
        """
        self._renew()
        if self._to_proxy is None:
            self._to_proxy = context_from(
                dataclasses.replace(self._tls, cert=None, key=None, password=None)
            )
        return self._to_proxy

    def _renew(self) -> None:
        if not self._paths or not self._watched.may_differ():
            return
        digest = _digest_of(self._paths)
        if digest in (self._digest, self._told):
            return
        if self._to_server is not None:
            try:
                self._to_server = context_from(self._tls)
            except RequestError as error:
                self._told = digest
                warn_of(f"{error}; what was read before stays in use")
                return
            self._to_proxy = None
        self._digest = digest


def context_from(tls: Tls) -> ssl.SSLContext:
    """Build the context of a client.

    Raises:
        RequestError: a file is missing or holds no certificate or key, or the key does
            not belong to the certificate.
    """
    import ssl

    if tls.context is not None:
        return cast(ssl.SSLContext, tls.context)
    context = _trusting(tls)
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context.minimum_version = versions[tls.minimum_version]
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        _add_own_certificate(context, tls)
    return context


def _paths_of(tls: Tls) -> list[str]:
    if tls.context is not None:
        return []
    return [os.fspath(path) for path in (tls.ca, tls.cert, tls.key) if path is not None]


def _digest_of(paths: list[str]) -> bytes:
    """Tell the contents of files apart; those of a folder by its time."""
    hashed = hashlib.sha256()
    for path in paths:
        try:
            is_folder = os.path.isdir(path)
            data = str(os.stat(path).st_mtime_ns).encode() if is_folder else Path(path).read_bytes()
        except OSError:
            data = b"missing"
        hashed.update(hashlib.sha256(data).digest())
    return hashed.digest()


def _trusting(tls: Tls) -> ssl.SSLContext:
    import ssl

    if tls.ca is None:
        return ssl.create_default_context()
    path = os.fspath(tls.ca)
    try:
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as cause:
        raise RequestError(
            f"Tls.ca: no certificates can be read from {path!r} ({cause.strerror or cause}):"
            " give a PEM file, or a directory prepared by `openssl rehash`"
        ) from cause


def _add_own_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    cert = os.fspath(tls.cert or "")
    key = None if tls.key is None else os.fspath(tls.key)
    try:
        # Without a password OpenSSL would ask for it on the terminal and block.
        context.load_cert_chain(cert, key, password=tls.password or "")
    except (OSError, ValueError) as cause:
        files = repr(cert) if key is None else f"{cert!r} with {key!r}"
        why = getattr(cause, "strerror", None) or cause
        raise RequestError(
            f"Tls.cert and Tls.key: cannot use {files} ({why}):"
            " give PEM files that belong together, and Tls.password if the key has one"
        ) from cause
