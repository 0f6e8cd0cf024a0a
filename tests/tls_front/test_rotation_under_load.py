"""Certificates and tokens change under load, at a real TLS front, and no call fails."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero import (
    AccessDenied,
    AsyncClient,
    CertificateNotPinned,
    Client,
    OAuth2ClientCredentials,
    Retry,
    SecurityWarning,
    Tls,
    TransportError,
    spki_pin,
)
from arriero.testing import ScriptedServer

from .front import WAIT_S, Front, Issuer, put

WORKERS = 6


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    """The server behind the front."""
    with ScriptedServer() as server:
        server.on(says="hi").reply("hello there")
        yield server


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Tokens said to live for 1.5 s, which live longer, as servers allow for clocks."""
    made = Issuer(life_s=15.0, told_s=1.5)
    yield made
    made.close()


@pytest.fixture
def front(tmp_path: Path, model: ScriptedServer, issuer: Issuer) -> Iterator[Front]:
    """haproxy before both."""
    made = Front(tmp_path, int(model.url.rpartition(":")[2]), issuer.port)
    issuer.start(made)
    yield made
    made.close()


def settings(front: Front, own: Path, **more: Any) -> dict[str, Any]:
    """Arguments of a client that names its files, its pins, and where its tokens come from."""
    pins = tuple(spki_pin(each.folder / "server.pem") for each in (front.before, front.after))
    tls = Tls(ca=front.authorities, cert=own, minimum_version="1.3", pins=pins)
    credentials = OAuth2ClientCredentials(f"{front.url}/token", "me", "s3cret", tls=tls)
    # A retry would hide a failure.
    return {"host": front.url, "tls": tls, "auth": credentials, "retry": Retry.none(), **more}


class Load:
    """What the workers have seen so far."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.failures: list[BaseException] = []
        self.serials: list[str] = []

    def threads(self, arguments: dict[str, Any]) -> None:
        """Call from several threads until it is over."""
        with Client(**arguments) as client:
            workers = [threading.Thread(target=self._work, args=(client,)) for _ in range(WORKERS)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

    def _work(self, client: Client) -> None:
        while not self.ended.is_set():
            try:
                self._saw(client.generate("m", "hi"))
                with client.generate("m", "hi", stream=True) as stream:
                    parts = [part.response for part in stream]
                assert stream.complete
                assert "".join(filter(None, parts)) == "hello there"
            except BaseException as failure:
                self.failures.append(failure)

    def tasks(self, arguments: dict[str, Any]) -> None:
        """Call from several tasks until it is over."""

        async def main() -> None:
            async with AsyncClient(**arguments) as client:
                await asyncio.gather(*(self._work_async(client) for _ in range(WORKERS)))

        asyncio.run(main())

    async def _work_async(self, client: AsyncClient) -> None:
        while not self.ended.is_set():
            try:
                self._saw(await client.generate("m", "hi"))
                async with await client.generate("m", "hi", stream=True) as stream:
                    parts = [part.response async for part in stream]
                assert stream.complete
                assert "".join(filter(None, parts)) == "hello there"
            except BaseException as failure:
                self.failures.append(failure)

    def _saw(self, answer: Any) -> None:
        assert answer.response == "hello there"
        self.serials.append(answer.http.headers["x-client-serial"])

    def wait(self, is_true: Callable[[], object]) -> None:
        """Wait until something has come about, or a call has failed."""
        end_s = time.monotonic() + WAIT_S
        while not is_true() and not self.failures:
            assert time.monotonic() < end_s, "waited in vain"
            time.sleep(0.01)

    def more(self, count: int) -> None:
        """Wait for further answers."""
        goal = len(self.serials) + count
        self.wait(lambda: len(self.serials) >= goal)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::arriero.identity.SecurityWarning")  # of the half-written file
@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_no_call_fails_while_everything_rotates(
    front: Front, issuer: Issuer, tmp_path: Path, colour: str
) -> None:
    """Client and server certificate, authority and tokens are all replaced meanwhile."""
    own = tmp_path / "own.pem"
    put(front.before, own)
    load = Load()
    work = threading.Thread(target=getattr(load, colour), args=(settings(front, own),))
    work.start()
    try:
        load.more(10)
        first = load.serials[-1]
        put(front.after, own)
        load.wait(lambda: load.serials[-1] != first)
        front.show_new_certificate()
        load.more(10)
        # From here on nothing of before is good: neither a certificate nor an old connection.
        front.forget_old_authority()
        load.more(10)
        front.revoke(issuer.issued[-1])
        load.more(10)
        tokens = len(issuer.issued)
        load.wait(lambda: len(issuer.issued) >= tokens + 2)
        load.more(10)
    finally:
        load.ended.set()
        work.join()
    assert load.failures == []
    assert len(set(load.serials)) == 2
    assert issuer.most_at_once == 1
    assert len(issuer.issued) < len(load.serials) / 2


@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_the_front_is_a_real_one(front: Front, tmp_path: Path, cls: Any) -> None:
    """It refuses who has no token or no certificate, and is refused for its key."""
    own = tmp_path / "own.pem"
    shutil.copy(front.before.folder / "client.pem", own)

    def call(**more: Any) -> Any:
        client = cls(**settings(front, own, **more))
        if cls is Client:
            with client:
                return client.version()

        async def main() -> Any:
            async with client:
                return await client.version()

        return asyncio.run(main())

    assert call().version
    with pytest.raises(AccessDenied):
        call(auth="another")
    with pytest.raises(TransportError):
        call(tls=Tls(ca=front.authorities))
    other = spki_pin(front.after.folder / "server.pem")
    with pytest.raises(CertificateNotPinned) as caught:
        call(tls=Tls(ca=front.authorities, cert=own, pins=(other,)))
    assert caught.value.seen == spki_pin(front.before.folder / "server.pem")


def test_a_half_written_certificate_is_told(front: Front, tmp_path: Path) -> None:
    """Once, while the calls go on."""
    own = tmp_path / "own.pem"
    shutil.copy(front.before.folder / "client.pem", own)
    with Client(**settings(front, own)) as client:
        client.version()
        own.write_text("half")
        with pytest.warns(SecurityWarning, match="stays in use"):
            client.version()
        client.version()
