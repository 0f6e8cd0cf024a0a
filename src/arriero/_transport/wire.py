"""A socket whose every wait ends at an absolute deadline."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from time import monotonic
from typing import ClassVar

from arriero._transport.outgoing import READ_BYTES
from arriero._transport.readiness import is_ready


class Wire:
    """One connection. Read and written by one thread at a time; `abort` is for any."""

    __slots__ = (
        "_allowed_s",
        "_heard",
        "_is_blocking",
        "_is_busy",
        "_pid",
        "_socket",
        "idle_since",
        "is_aborted",
        "served",
        "was_cut",
    )

    _CUT: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that say that the end was not the peer's word."""
    _NOT_NOW: ClassVar[tuple[type[Exception], ...]] = (BlockingIOError,)
    _kernel_waits = sys.platform == "linux"
    """With a timeout of its own, Python polls before each read: a system call more for each
    token. Linux can bound the read itself."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._allowed_s: float | None = -1.0  # what the socket was told last; -1 is nothing yet
        self._is_blocking = False
        self._is_busy = False
        self._pid = os.getpid()
        self._heard = b""
        self.served = 0
        """Requests answered in full."""
        self.idle_since = 0.0
        self.is_aborted = False
        self.was_cut = False
        """True if TLS ended without a word: anybody can close a TCP connection."""

    def receive(self, until: float | None) -> bytes:
        """Give what is there, waiting for it if nothing is; ``b""`` if the peer is done.

        Raises:
            TimeoutError: `until` passed.
            OSError: the connection broke, or `abort` was called.
        """
        while True:
            if until is None:
                if self._allowed_s is not None:
                    self._allow(None)
            else:
                left_s = until - monotonic()
                if left_s <= 0:
                    raise TimeoutError
                # Telling the socket costs a system call. A limit shorter than needed only
                # wakes us early, so half the time serves for most later reads as well.
                if self._allowed_s is None or not 0 < self._allowed_s <= left_s:
                    self._allow(left_s if left_s < 1 else left_s / 2)
            self._is_busy = True
            try:
                return self._socket.recv(READ_BYTES)
            except self._CUT:
                self.was_cut = True
                return b""
            except (TimeoutError, BlockingIOError):
                self._allowed_s = -1.0
            finally:
                self._is_busy = False
                if self.is_aborted:
                    self.close()

    def send(self, data: bytes | memoryview, until: float | None) -> memoryview:
        """Send `data`; stop if the peer speaks before it is sent.

        Returns:
            What is not sent yet. Then `take_heard` gives what the peer said.

        Raises: as `receive`.
        """
        left = memoryview(data)
        self._is_busy = True
        try:
            self._allow(0)
            while left:
                try:
                    left = left[self._socket.send(left) :]
                except self._NOT_NOW:
                    self._wait_for_room(until)
                    if self.hears():
                        break
        finally:
            self._is_busy = False
            if self.is_aborted:
                self.close()
        return left

    def _wait_for_room(self, until: float | None) -> None:
        wait_s = None if until is None else until - monotonic()
        if wait_s is not None and wait_s <= 0:
            raise TimeoutError
        is_ready(self._raw.fileno(), wait_s, or_for_writing=True)

    def hears(self) -> bool:
        """Say whether the peer speaks already, keeping what it says for `take_heard`.

        Raises:
            OSError: it has hung up.
        """
        self._allow(0)
        try:
            data = self._socket.recv(READ_BYTES)
        except self._NOT_NOW:
            return False  # nothing, or TLS talking to itself
        if not data:
            raise ConnectionResetError("the peer hung up while the request was sent")
        self._heard += data
        return True

    def take_heard(self) -> bytes:
        """Give what the peer said while we were still sending, once."""
        heard, self._heard = self._heard, b""
        return heard

    @property
    def is_quiet(self) -> bool:
        """True if nothing arrived while idle: the peer has neither spoken nor hung up."""
        return not is_ready(self._raw.fileno(), 0)

    def close(self) -> None:
        """Close the socket; with unread data the peer gets a reset."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def abort(self) -> None:
        """Close the socket from any thread, waking the one that reads."""
        self.is_aborted = True
        # A forked child shares the connection: shutting it down would end the parent's.
        if self._pid == os.getpid():
            with contextlib.suppress(OSError):
                # SSLSocket.shutdown would drop the TLS state a reader is using.
                socket.socket.shutdown(self._raw, socket.SHUT_RDWR)
        # Closing under another thread would free the file number it waits on.
        if not self._is_busy:
            self.close()

    @property
    def _raw(self) -> socket.socket:
        # TLS inside TLS is no socket but has one.
        plain: socket.socket = getattr(self._socket, "socket", self._socket)
        return plain

    def _allow(self, seconds: float | None) -> None:
        """Bound the waits of the socket; 0 is not to wait at all."""
        if seconds == self._allowed_s:
            return
        if self._kernel_waits and seconds != 0:
            if not self._is_blocking:
                self._socket.settimeout(None)
            limit_us = 0 if seconds is None else max(1, round(seconds * 1_000_000))
            limit = struct.pack("@ll", *divmod(limit_us, 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        else:
            self._socket.settimeout(seconds)
        self._is_blocking = self._kernel_waits and seconds != 0
        self._allowed_s = seconds
