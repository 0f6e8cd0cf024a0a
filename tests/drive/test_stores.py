"""Answers kept in files and in Redis: bounded, shared, and never in the way."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero import Cache, SecurityWarning
from arriero._drive.outside import Outside
from arriero._drive.sqlite_store import SqliteStore
from arriero.errors import RequestError

from ..redis_server import RedisServer
from .scripted import Colour, reply

TAGS = reply(b'{"models":[{"model":"m:latest","digest":"d"}]}')
ANSWER = reply(b'{"response":"x","done":true,"done_reason":"stop"}')
SEED: dict[str, Any] = {"options": {"seed": 1}}

WRITER = """
import sys
from arriero import Cache
from arriero._drive.sqlite_store import SqliteStore
store = SqliteStore(Cache(path=sys.argv[1], timeout_s=20, max_entries=50))
for number in range(100):
    store.put(f"{sys.argv[2]}-{number}", b"x" * 100)
    store.get(f"a-{number}")
assert store.errors == 0, store.errors
store.close()
"""


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that is empty."""
    made = RedisServer(tmp_path).start()
    yield made
    made.close()


def ask(colour: Colour, client: Any) -> str:
    """Ask the same as ever, and give who answered."""
    return colour.do(client.generate("m", "hi", **SEED)).http.source  # type: ignore[no-any-return]


def store(path: Path, clock: Any = None, **settings: Any) -> SqliteStore:
    """Give a store in a file."""
    cache = Cache(path=path, **settings)
    return SqliteStore(cache) if clock is None else SqliteStore(cache, clock=clock)


def test_a_file_outlives_its_client(colour: Colour, tmp_path: Path) -> None:
    """The second client is answered from what the first one kept; only the user may read it."""
    cache = Cache(path=tmp_path / "answers.db")
    first = colour.client(TAGS, ANSWER, cache=cache)
    assert ask(colour, first) == "server"
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    colour.do(first.close())
    second = colour.client(TAGS, cache=cache)
    assert ask(colour, second) == "cache"
    colour.do(second.close())


def test_redis_is_shared_by_clients_and_ends_by_itself(
    colour: Colour, redis_server: RedisServer
) -> None:
    """Each entry has its end."""
    import redis

    cache = Cache(redis=redis_server.url, ttl_s=600, timeout_s=10)
    first, second = colour.client(TAGS, ANSWER, cache=cache), None
    assert ask(colour, first) == "server"
    second = colour.client(TAGS, cache=cache)
    assert ask(colour, second) == "cache"
    with redis.Redis.from_url(redis_server.url) as reader:
        [key] = reader.keys("arriero:answer:*")  # type: ignore[misc,union-attr]
        assert 500 < reader.ttl(key) <= 600  # type: ignore[operator]
    for client in (first, second):
        colour.do(client.close())


def test_without_redis_each_call_is_a_miss(
    colour: Colour, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, and asked again after its time at the earliest."""
    monkeypatch.setattr("arriero._drive.redis_store.RETRY_S", 600.0)
    client = colour.client(TAGS, ANSWER, ANSWER, cache=Cache(redis=redis_server.url))
    redis_server.kill()
    assert [ask(colour, client), ask(colour, client)] == ["server", "server"]
    counted = client.statistics().cache
    assert (counted.errors, counted.stores) == (1, 0)
    colour.do(client.close())


def test_an_answer_that_is_too_large_is_not_counted_as_kept(
    colour: Colour, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Wherever it would have been kept."""
    places: list[dict[str, Any]] = [{}, {"path": tmp_path / "a.db"}, {"redis": redis_server.url}]
    for place in places:
        client = colour.client(TAGS, ANSWER, cache=Cache(max_bytes=1, **place))
        assert ask(colour, client) == "server"
        assert client.statistics().cache.stores == 0
        colour.do(client.close())


def test_a_redis_that_goes_and_comes_is_logged_once_each(
    colour: Colour, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it is, what that means, and that it is over."""
    link = Outside(is_async=colour.is_async).redis(redis_server.url, 10.0, "no answers are kept")

    def ping() -> None:
        asked = link.run("PING")
        if colour.is_async:
            colour.do(asked)

    redis_server.kill()
    ping()
    ping()
    redis_server.start()
    ping()
    ping()
    said = [one.getMessage() for one in caplog.records if one.name == "arriero"]
    assert said == [
        f"ConnectionError at {redis_server.url}: no answers are kept",
        f"Redis answers again at {redis_server.url}",
    ]
    if colour.is_async:
        colour.do(link.aclose())
    else:
        link.close()


def test_a_file_is_bounded_by_entries_and_bytes(tmp_path: Path) -> None:
    """What was used longest ago goes first; reading is using."""
    now = [1000.0]
    kept = store(tmp_path / "a.db", lambda: now[0], max_entries=2, max_bytes=10)
    for key in "ab":
        kept.put(key, b"1234")
        now[0] += 1
    now[0] += 100
    assert kept.get("a") == b"1234"
    kept.put("c", b"1234")
    assert [kept.get(key) for key in "abc"] == [b"1234", None, b"1234"]
    kept.put("d", b"1" * 9)
    assert [kept.get(key) for key in "acd"] == [None, None, b"1" * 9]
    kept.put("e", b"1" * 11)
    assert (kept.get("e"), kept.evictions, kept.errors) == (None, 3, 0)
    kept.close()


def test_an_entry_of_a_file_ends(tmp_path: Path) -> None:
    """By the clock of the machine, which processes share."""
    now = [1000.0]
    kept = store(tmp_path / "a.db", lambda: now[0], ttl_s=5)
    kept.put("a", b"1")
    kept.put("a", b"2")
    assert kept.get("a") == b"2"
    now[0] += 5
    assert kept.get("a") is None
    kept.close()


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    """No error, and no entry too many."""
    path = tmp_path / "a.db"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name]) for name in "ab"]
    kept = store(path, timeout_s=20, max_entries=50)
    threads = [
        threading.Thread(target=lambda: [kept.put(f"t{n}", b"x") for n in range(50)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert kept.errors == 0
    kept.close()
    with sqlite3.connect(path) as reader:
        [entries] = reader.execute("SELECT count(*) FROM answers").fetchone()
        assert reader.execute("SELECT entries FROM total").fetchone() == (entries,)
        assert 0 < entries <= 50
    reader.close()


def test_a_damaged_file_is_set_aside(colour: Colour, tmp_path: Path) -> None:
    """It is kept for who wants to look, and a new one is begun."""
    path = tmp_path / "answers.db"
    before = store(path)
    before.put("a", b"1")
    before.close()
    with path.open("r+b") as file:
        file.seek(100)  # behind the head, which has the mark
        file.write(b"not a table at all")
    client = colour.client(TAGS, ANSWER, cache=Cache(path=path))
    with pytest.warns(SecurityWarning, match="is damaged"):
        ask(colour, client)
    assert ask(colour, client) == "cache"
    assert b"not a table" in next(tmp_path.glob("*.damaged-*")).read_bytes()
    assert client.statistics().cache.errors == 1
    colour.do(client.close())


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Whoever named it did so by mistake."""
    path = tmp_path / "bank.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (money)")
    other.close()
    before = path.read_bytes()
    kept = store(path)
    with pytest.warns(SecurityWarning, match="another program"):
        kept.put("a", b"1")
    assert (kept.get("a"), path.read_bytes()) == (None, before)
    kept.close()


@pytest.mark.parametrize(
    "text", [b"root:x:0:0", b"not a database at all" * 100, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_cache_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """It is neither written nor moved: what was meant is not ours to guess."""
    path = tmp_path / "passwd"
    path.write_bytes(text)
    kept = store(path)
    with pytest.warns(SecurityWarning, match="it is no cache"):
        kept.put("a", b"1")
    assert kept.get("a") is None
    kept.close()
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (text, [path])


def test_a_file_that_cannot_be_made_is_warned_of_once(tmp_path: Path) -> None:
    """And then nothing is kept."""
    kept = store(tmp_path / "missing" / "a.db")
    with pytest.warns(SecurityWarning, match="No such file"):
        kept.put("a", b"1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.get("a") is None
    kept.close()


def test_settings_are_checked() -> None:
    """And show no password."""
    with pytest.raises(RequestError, match="not both"):
        Cache(path="a", redis="redis://r")
    with pytest.raises(RequestError, match="redis://"):
        Cache(redis="http://r")
    with pytest.raises(RequestError, match="max_entries"):
        Cache(max_entries=-1)
    assert "geheim" not in repr(Cache(redis="redis://:geheim@r"))
