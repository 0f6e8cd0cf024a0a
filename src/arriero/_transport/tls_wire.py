"""`TlsWire`: a `Wire` under TLS."""

from __future__ import annotations

import ssl
from typing import Any

from arriero._transport.wire import Wire


class TlsWire(Wire):
    """See `Wire`."""

    __slots__ = ()

    _CUT = (ssl.SSLEOFError,)
    _NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
    _kernel_waits = False  # a read may take several of the system's

    def __init__(self, connected: Any) -> None:
        """Take an `ssl.SSLSocket`, or what urllib3 makes of TLS inside TLS."""
        connected.suppress_ragged_eofs = False
        super().__init__(connected)
