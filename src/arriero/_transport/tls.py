"""TLS contexts made from settings, for every adapter that dials by itself."""

from __future__ import annotations

import os
import ssl

from arriero.errors import RequestError
from arriero.settings import Tls

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context_from(tls: Tls) -> ssl.SSLContext:
    """Build the context of a client.

    Raises:
        RequestError: a file is missing or holds no certificate or key, or the key does
            not belong to the certificate.
    """
    context = _trusting(tls)
    context.minimum_version = _VERSIONS[tls.minimum_version]
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        _add_own_certificate(context, tls)
    return context


def _trusting(tls: Tls) -> ssl.SSLContext:
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
