"""Requests that take a way round."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from arriero._core.http import Fault
from arriero._transport.interface import TransportSettings
from arriero._transport.origin import Proxy
from arriero.errors import RequestError
from arriero.settings import Tls

from ..ports import closed_port
from .adapters import Adapter, AsyncAdapter, fetch, get, made
from .certificates import Certificates
from .peer import Line, Peer, Received, answering, whole

Make = Callable[..., Adapter]


class Tunnel:
    """A proxy's script: notes what it is asked and passes the rest through."""

    def __init__(self) -> None:
        self.asked: list[Received] = []

    def __call__(self, line: Line) -> None:
        asked = line.request_head()
        self.asked.append(asked)
        host, _, port = asked.line.split(" ")[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as onward:
            line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pass, args=(onward, line._sock))
            back.start()
            self._pass(line._sock, onward)
            back.join()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            source.settimeout(None)
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("credentials", ["", "me:p%40ss@"])
def test_http_requests_are_handed_to_the_proxy(make: Make, credentials: str) -> None:
    """The proxy gets the whole URL, and its credentials in a header of its own."""
    seen: list[Received] = []
    with Peer(answering(whole(b"from afar"), requests=seen)) as proxy:
        adapter = make(TransportSettings(proxy=f"http://{credentials}127.0.0.1:{proxy.port}"))
        assert fetch(adapter, get("http://llm.invalid:11434/api/tags?x=1")) == b"from afar"
        assert fetch(adapter, get("http://llm.invalid:11434/")) == b"from afar"
    assert seen[0].line == "GET http://llm.invalid:11434/api/tags?x=1 HTTP/1.1"
    assert seen[0].headers["host"] == "llm.invalid:11434"
    expected = "Basic bWU6cEBzcw==" if credentials else None
    assert seen[0].headers.get("proxy-authorization") == expected


@pytest.mark.parametrize("credentials", ["", "me:p%40ss@"])
def test_https_requests_go_through_a_tunnel(
    make: Make, certificates: Certificates, credentials: str
) -> None:
    """The proxy is asked to connect, and sees nothing of what follows."""
    seen: list[Received] = []
    tunnel = Tunnel()
    server = Peer(answering(whole(b"inside"), requests=seen), tls=certificates.server())
    with server, Peer(tunnel) as proxy:
        adapter = make(
            TransportSettings(
                tls=Tls(ca=certificates.ca),
                proxy=f"http://{credentials}127.0.0.1:{proxy.port}",
            )
        )
        assert fetch(adapter, get(f"{server.url}/x")) == b"inside"
        assert fetch(adapter, get(f"{server.url}/y")) == b"inside"
        assert proxy.accepted == 1
        adapter.close()
    assert tunnel.asked[0].line.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.")
    expected = "Basic bWU6cEBzcw==" if credentials else None
    assert tunnel.asked[0].headers.get("proxy-authorization") == expected
    assert seen[0].line == "GET /x HTTP/1.1"
    assert "proxy-authorization" not in seen[0].headers


def test_a_proxy_that_is_not_there_is_a_connect_fault(make: Make) -> None:
    """Nothing was sent."""
    with closed_port() as port:
        adapter = make(TransportSettings(proxy=f"http://me:secret@127.0.0.1:{port}"))
        with pytest.raises(Fault) as caught:
            adapter.open(get("http://llm.invalid/"))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")
    assert "secret" not in str(caught.value)


def test_a_proxy_that_refuses_the_tunnel_is_a_connect_fault(
    make: Make, certificates: Certificates
) -> None:
    """The proxy's status is the reason; its answer is not the server's."""

    def script(line: Line) -> None:
        line.request_head()
        line.send(whole(b"no", "407 Proxy Authentication Required"))
        line.drain()

    with Peer(script) as proxy:
        settings = TransportSettings(
            tls=Tls(ca=certificates.ca), proxy=f"http://me:secret@127.0.0.1:{proxy.port}"
        )
        with pytest.raises(Fault) as caught:
            make(settings).open(get("https://llm.invalid/"))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")
    assert "407" in caught.value.reason
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("way", ["hangs", "trickles"])
def test_a_proxy_has_no_more_time_than_a_server(
    make: Make, certificates: Certificates, way: str
) -> None:
    """`connect_s` covers the tunnel."""

    def script(line: Line) -> None:
        line.request_head()
        if way == "trickles":
            line.trickle(b"HTTP/1.1 200 " + b"O" * 100, 0.03)
        line.drain()

    with Peer(script) as proxy:
        adapter = make(
            TransportSettings(tls=Tls(ca=certificates.ca), proxy=f"http://127.0.0.1:{proxy.port}")
        )
        with pytest.raises(Fault) as caught:
            adapter.open(get("https://llm.invalid/"), connect_s=0.2)
        assert (caught.value.kind, caught.value.phase) == ("timeout", "connect")
        proxy.wait_ended()


@pytest.mark.parametrize("name", ["socket", "asyncio"], indirect=True)
@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_the_way_to_the_proxy_may_be_encrypted(
    make: Make, certificates: Certificates, is_tls: bool
) -> None:
    """An https proxy, for http and for https hosts: then TLS runs inside TLS."""
    tunnel = Tunnel()
    far = certificates.server() if is_tls else None
    near = tunnel if is_tls else answering(whole(b"inside"))
    server = Peer(answering(whole(b"inside")), tls=far)
    with server, Peer(near, tls=certificates.server()) as proxy:
        adapter = make(
            TransportSettings(tls=Tls(ca=certificates.ca), proxy=f"https://127.0.0.1:{proxy.port}")
        )
        assert fetch(adapter, get(f"{server.url}/x")) == b"inside"
        adapter.close()


def test_tls_inside_tls_whose_loop_is_gone_is_discarded(certificates: Certificates) -> None:
    """The socket lies below two layers; nothing stays open, and nothing warns."""
    server = Peer(answering(whole(b"inside")), tls=certificates.server())
    with server, Peer(Tunnel(), tls=certificates.server()) as proxy:
        settings = TransportSettings(
            tls=Tls(ca=certificates.ca), proxy=f"https://127.0.0.1:{proxy.port}"
        )
        adapter = made("asyncio", settings)
        assert isinstance(adapter, AsyncAdapter)
        assert fetch(adapter, get(f"{server.url}/x")) == b"inside"
        adapter.loop.close()
        adapter.transport.discard()
        proxy.wait_ended()
        del adapter
        gc.collect()


@pytest.mark.parametrize(
    "url", ["socks5://127.0.0.1:1080", "127.0.0.1:3128", "http://", "http://h:x", "", "http://a b"]
)
def test_what_is_no_proxy_is_refused(url: str) -> None:
    """When the client is made, and without repeating what may hold a password."""
    with pytest.raises(RequestError) as caught:
        Proxy.from_url(url)
    assert "proxy" in str(caught.value)


def test_a_proxy_does_not_show_its_credentials() -> None:
    """Not in a repr, which may end up in a log."""
    proxy = Proxy.from_url("http://me:secret@127.0.0.1")
    assert urlsplit(proxy.origin.url).port == 80
    assert "secret" not in repr(proxy)
    assert proxy.authorization not in repr(proxy)


def test_a_transport_that_refuses_its_proxy_leaves_nothing() -> None:
    """Collecting what was half made raises nothing into the log."""
    from arriero._transport.over_asyncio import AsyncioTransport

    with pytest.raises(RequestError, match="proxy takes a URL"):
        AsyncioTransport(TransportSettings(proxy="ftp://h"))
    gc.collect()
