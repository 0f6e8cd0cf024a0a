"""Tokens in both colours: asked for once by many callers, replaced, given up."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from arriero import AsyncClient, Client
from arriero._core.policy.credentials import Failure
from arriero._drive.credentials import Provider, Source
from arriero.errors import AccessDenied, CredentialError, DeadlineExceeded, RequestError
from arriero.identity import SecurityWarning, Token
from arriero.settings import Timeouts

from .scripted import DENIED, VERSION, AsyncColour, Colour, Script, reply, tokens_of, wait_until


class Counted:
    """A provider that gives ``t1``, ``t2`` and so on."""

    def __init__(self, expires_in_s: float | None = None, *, wait_s: float = 0.0) -> None:
        self.asked = 0
        self._expires_in_s = expires_in_s
        self._wait_s = wait_s

    def __call__(self) -> Token:
        self.asked += 1
        number = self.asked
        time.sleep(self._wait_s)
        return Token(f"t{number}", self._expires_in_s)


def test_a_token_is_kept(colour: Colour) -> None:
    """Asked for once, used for each call."""
    provider = Counted(3600)
    client = colour.client(VERSION, VERSION, VERSION, auth=provider)
    for _ in range(3):
        colour.do(client.version())
    assert tokens_of(colour) == ["Bearer t1"] * 3
    assert provider.asked == 1


@pytest.mark.parametrize("auth", ["t0ken", lambda: "t0ken", {"HTTPS://LLM.internal": "t0ken"}])
def test_a_host_in_capitals_is_the_same_host(colour: Colour, auth: Any) -> None:
    """Names of hosts have no case, so its credentials are sent however it is written."""
    client = colour.client(VERSION, host="https://Llm.Internal", auth=auth)
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer t0ken"]


def test_a_plain_text_is_for_one_request(colour: Colour) -> None:
    """It may depend on who asks, so it is never given to another call."""
    user = contextvars.ContextVar[str]("user")
    client = colour.client(VERSION, VERSION, auth=lambda: user.get())
    for name in ("ann", "bob"):
        user.set(name)
        if isinstance(colour, AsyncColour):
            context = contextvars.copy_context()
            colour.runner.run(_in_coroutine(client), context=context)
        else:
            client.version()
    assert tokens_of(colour) == ["Bearer ann", "Bearer bob"]


async def _in_coroutine(client: Any) -> None:
    await client.version()


def test_after_a_401_the_token_is_replaced_and_the_call_repeated(colour: Colour) -> None:
    """The caller notices nothing, nor do those after it."""
    client = colour.client(DENIED, VERSION, VERSION, auth=Counted(3600))
    assert colour.do(client.version()).http.attempts == 2
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer t1", "Bearer t2", "Bearer t2"]
    assert colour.script.events.count("close") == 3


def test_a_stream_that_is_refused_is_repeated_before_it_begins(colour: Colour) -> None:
    """A 401 comes before the first record, or not at all."""
    line = b'{"message":{"role":"assistant","content":"a"},"done":true}\n'
    client = colour.client(DENIED, reply(line), auth=Counted())
    stream = colour.do(client.chat("m", [], stream=True))
    assert [part.message.content for part in colour.list(stream)] == ["a"]
    assert tokens_of(colour) == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ("t0ken", "the credential that was sent was refused; it may have expired"),
        (None, "no credential was sent; give auth=, or user:password@ in the host's URL"),
    ],
)
def test_a_refusal_says_whether_a_credential_was_sent(
    colour: Colour, auth: str | None, said: str, streams: bool
) -> None:
    """In a note: the text itself is the server's, as handlers written for `ollama` know it."""
    client = colour.client(DENIED, auth=auth)

    def ask() -> None:
        made = colour.do(client.generate("m", "hi", stream=streams))
        if streams:
            colour.list(made)

    with pytest.raises(AccessDenied) as caught:
        ask()
    assert str(caught.value) == "unauthorized (status code: 401)"
    assert caught.value.__notes__ == ["POST /api/generate at http://server:80", said]


def test_a_server_that_refuses_all_is_asked_twice(colour: Colour) -> None:
    """Then the 401 is the answer."""
    provider = Counted()
    client = colour.client(DENIED, DENIED, DENIED, auth=provider)
    with pytest.raises(AccessDenied):
        colour.do(client.version())
    with pytest.raises(AccessDenied):
        colour.do(client.version())  # within a second: not fetched for again
    assert provider.asked == 2


def test_a_provider_that_raises_is_named(colour: Colour) -> None:
    """The error is ours, what was raised is its cause, its text is not repeated."""

    def vault() -> str:
        raise OSError("sealed with s3cret")

    client = colour.client(auth=vault)
    with pytest.raises(CredentialError) as caught:
        colour.do(client.version())
    error = caught.value
    assert str(error) == (
        "GET /api/version (http://server:80): auth: no token from vault(): it raised OSError"
    )
    assert isinstance(error.__cause__, OSError)
    assert (error.retryable, error.attempts, error.phase) == (True, 0, "prepare")


def test_a_provider_that_gives_no_token_is_named(colour: Colour) -> None:
    """Trying again would change nothing."""
    client = colour.client(auth=lambda: None)
    with pytest.raises(CredentialError, match="it gave NoneType, not a token") as caught:
        colour.do(client.version())
    assert not caught.value.retryable


def test_an_async_provider_is_for_the_async_client(colour: Colour) -> None:
    """The other one says so, and leaves no coroutine behind."""

    async def token() -> Token:
        await asyncio.sleep(0)
        return Token("t")

    for auth in (token, lambda: token()):
        client = colour.client(VERSION, VERSION, auth=auth)
        if colour.is_async:
            colour.do(client.version())
            colour.do(client.version())
            assert tokens_of(colour) == ["Bearer t"] * 2
        else:
            with pytest.raises(CredentialError, match="only AsyncClient can await"):
                client.version()


def test_a_refresh_that_fails_leaves_the_old_token_in_use(colour: Colour) -> None:
    """With one warning, at the user's line."""
    tokens = iter([Token("old", 3600, refresh_before_s=3600)])
    client = colour.client(VERSION, VERSION, VERSION, auth=lambda: next(tokens))
    colour.do(client.version())
    colour.do(client.version())  # begins to refresh
    source = client._setup.sources["http://server:80"]
    wait_until(lambda: source._state.failure is not None)
    with pytest.warns(SecurityWarning, match="it raised StopIteration; the old one is used") as got:
        colour.do(client.version())
    assert [str(each.message) for each in got] == [str(got[0].message)]
    assert "/src/arriero/" not in got[0].filename
    assert tokens_of(colour) == ["Bearer old"] * 3


def test_no_call_waits_for_a_refresh_ahead(colour: Colour) -> None:
    """Not even the one that begins it: the old token is still good."""
    gate = threading.Event()
    asked = 0

    def provider() -> Token:
        nonlocal asked
        asked += 1
        if asked > 1:
            gate.wait(60)
        return Token(f"t{asked}", 3600, refresh_before_s=3600)

    async def provider_async() -> Token:
        if asked:
            await asyncio.Event().wait()
        return provider()

    for auth in (provider, provider_async)[: 1 + colour.is_async]:
        asked = 0
        limits = Timeouts(total_s=5)
        client = colour.client(VERSION, VERSION, VERSION, auth=auth, timeouts=limits)
        for _ in range(3):
            colour.do(client.version())
        assert tokens_of(colour) == ["Bearer t1"] * 3
    gate.set()


def test_a_warning_that_is_an_error_does_not_stop_the_next_refresh() -> None:
    """It is raised before a fetch begins: else everybody would wait for that for ever."""
    tokens = iter([Token("old", 3600, refresh_before_s=3600)])
    source = Source(Provider("p", lambda: next(tokens)))
    source.token(None, None)
    source._state.failed(Failure("broken"), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SecurityWarning):
            source.token(None, None)
    assert not source._state.is_refreshing
    assert source.token(None, None) == "old"


def test_a_wait_for_a_token_keeps_the_calls_budget(colour: Colour) -> None:
    """Of one who asks first, too, if the callable says that it gives a `Token`; what it gives
    late is there for the calls after."""
    gate, asked = threading.Event(), []

    def slow() -> Token:
        asked.append(threading.current_thread())
        gate.wait(60)
        return Token("t", 3600)

    client = colour.client(VERSION, auth=slow, timeouts=Timeouts(total_s=0.05))
    try:
        with pytest.raises(DeadlineExceeded) as caught:
            colour.do(client.version())
    finally:
        gate.set()
    assert (caught.value.budget, caught.value.phase) == ("total_s", "prepare")
    (thread,) = asked
    thread.join()
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer t"]
    assert len(asked) == 1


class Method:
    """Providers as methods and objects."""

    def give(self) -> Token:
        return Token("t")

    def __call__(self) -> Token:
        return Token("t")


async def coroutine() -> Token:
    """Give a token."""
    return Token("t")


@pytest.mark.parametrize(
    ("ask", "is_shared"),
    [
        (Method().give, True),
        (Method(), True),
        (coroutine, None),
        (functools.partial(Method.give, Method()), True),
        (lambda: Token("t"), None),
        (str, None),
        (object(), None),
    ],
)
def test_what_a_callable_gives_is_known_by_its_annotation(ask: Any, is_shared: bool | None) -> None:
    """Whoever says nothing is asked first; what is async is never in anybody's way."""
    assert Source(Provider("p", ask)).is_shared is is_shared


def test_a_text_is_asked_for_where_the_call_is_made() -> None:
    """It may depend on who is asking, down to what only that thread knows."""
    local = threading.local()
    local.user = "me"
    with Client("https://server", auth=lambda: local.user) as client:
        source = client._setup.sources["https://server:443"]
        assert source.token(None, time.monotonic() + 5) == "me"
        assert source.token(None, time.monotonic() + 5) == "me"


def test_a_provider_that_hangs_does_not_hold_up_the_end_of_the_loop() -> None:
    """Its thread is nobody's: asyncio would wait for one of its own before it ends."""
    gate = threading.Event()

    async def ask() -> None:
        async with AsyncClient(
            "https://server", auth=lambda: gate.wait(30) and "t", timeouts=Timeouts(total_s=0.05)
        ) as client:
            with pytest.raises(DeadlineExceeded):
                await client.version()

    asyncio.run(ask())
    assert not gate.is_set()
    gate.set()


# One origin, one credential


@pytest.mark.parametrize(
    ("host", "header"),
    [
        ("https://a", "Bearer of a"),
        ("HTTPS://A:443/prefix", "Bearer of a"),
        ("http://b:1234", "Basic dTpw"),
        ("http://a", None),
        ("https://a:444", None),
        ("https://c", None),
    ],
)
def test_a_mapping_gives_each_origin_its_own(colour: Colour, host: str, header: str | None) -> None:
    """Scheme, name and port decide; what is not named gets nothing."""
    keys = {"https://a": "of a", "http://b:1234/": ("u", "p")}
    client = colour.client(VERSION, host=host, auth=keys)
    colour.do(client.version())
    assert tokens_of(colour) == [header]


def test_a_redirect_gets_the_key_of_where_it_leads(colour: Colour) -> None:
    """A callable as well as a text."""
    keys = {"https://a": "of a", "https://b": lambda: "of b"}
    away = reply(status=307, location="https://b/x")
    further = reply(status=307, location="https://c/x")
    client = colour.client(away, further, VERSION, host="https://a", auth=keys)
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer of a", "Bearer of b", None]


def test_a_single_credential_stays_at_its_host(colour: Colour) -> None:
    """A token that is asked for as well."""
    away = reply(status=307, location="https://b/x")
    client = colour.client(away, VERSION, host="https://a", auth=lambda: "of a")
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer of a", None]


@pytest.mark.parametrize("key", ["of cloud", lambda: "of cloud", lambda: Token("of cloud")])
def test_the_web_tools_take_the_key_of_ollama_com(colour: Colour, key: Any) -> None:
    """From the mapping, before the environment; the client's own key stays at home."""
    found = reply(b'{"results":[]}')
    client = colour.client(
        found, VERSION, host="https://a", auth={"https://ollama.com": key, "https://a": "of a"}
    )
    colour.do(client.web_search("q"))
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer of cloud", "Bearer of a"]


def test_the_environments_key_goes_to_ollama_com_alone(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the mapping says of others, and wherever we are redirected."""
    monkeypatch.setenv("OLLAMA_API_KEY", "of env")
    away = reply(status=307, location="https://ollama.com/x")
    client = colour.client(away, VERSION, host="https://a", auth={"https://a": "of a"})
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer of a", None]
    client = colour.client(VERSION, host="ollama.com", auth={"https://a": "of a"})
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer of env"]
    client = colour.client(VERSION, host="ollama.com", auth={"https://ollama.com": "mine"})
    colour.do(client.version())
    assert tokens_of(colour) == ["Bearer mine"]


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({"a": "t"}, "origins as keys"),
        ({5: "t"}, "origins as keys"),
        ({"https://a/path": "t"}, "'https://a:443' is enough of a key"),
        ({"https://u:s3cret@a": "t"}, "'https://a:443' is enough of a key"),
        ({"https://a": 5}, "not int"),
        (Token("s3cret"), "not Token; give a Token by a callable"),
    ],
)
def test_what_is_no_mapping_of_credentials_is_refused(auth: Any, says: str) -> None:
    """When the client is made, without showing what it holds."""
    with pytest.raises(RequestError) as caught:
        Client("https://a", auth=auth)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


# Many callers


class Refusing(Script):
    """A server that takes one token at a time."""

    def __init__(self, good: Callable[[], str]) -> None:
        super().__init__(())
        self._good = good
        self._lock = threading.Lock()

    def begin(self, request: Any) -> Any:
        with self._lock:
            self.answers = [VERSION if self._token(request) == self._good() else DENIED]
            return super().begin(request)

    @staticmethod
    def _token(request: Any) -> str:
        return dict(request.headers).get("authorization", "").removeprefix("Bearer ")


def test_threads_share_one_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first token and the one after a 401 are each fetched once for all of them."""
    provider = Counted(3600, wait_s=0.02)
    client = _client_of_threads(monkeypatch, Refusing(lambda: f"t{goal}"), provider)
    for goal in (1, 2):
        threads = [threading.Thread(target=client.version) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert provider.asked == goal


def _client_of_threads(monkeypatch: pytest.MonkeyPatch, script: Script, auth: Any) -> Client:
    from .scripted import ScriptedTransport

    monkeypatch.setattr(
        "arriero._transport.choose.transport_for", lambda *_, **__: ScriptedTransport(script)
    )
    return Client("http://server:80", auth=auth, cleartext_credentials="allow")


def _client_of_tasks(monkeypatch: pytest.MonkeyPatch, script: Script, auth: Any) -> AsyncClient:
    from .scripted import AsyncScriptedTransport

    monkeypatch.setattr(
        "arriero._transport.choose.async_transport_for",
        lambda *_, **__: AsyncScriptedTransport(script),
    )
    return AsyncClient("http://server:80", auth=auth, cleartext_credentials="allow")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync callable", "async callable"])
def test_tasks_share_one_fetch(monkeypatch: pytest.MonkeyPatch, is_async: bool) -> None:
    """As threads do, whatever the callable is."""
    provider = Counted(3600, wait_s=0.0 if is_async else 0.02)

    async def awaited() -> Token:
        await asyncio.sleep(0.02)
        return provider()

    async def main() -> None:
        nonlocal goal
        script = Refusing(lambda: f"t{goal}")
        client = _client_of_tasks(monkeypatch, script, awaited if is_async else provider)
        for goal in (1, 2):  # read by the server
            await asyncio.gather(*(client.version() for _ in range(16)))
            assert provider.asked == goal
        await client.close()

    goal = 1
    asyncio.run(main())


def test_loops_of_several_threads_share_one_fetch() -> None:
    """A source serves every loop; who waits in one is woken by the other."""
    provider = Counted(3600, wait_s=0.03)
    source = Source(Provider("p", provider))
    found: list[str] = []

    async def many() -> None:
        from arriero._drive.token_tasks import token

        found.extend(await asyncio.gather(*(token(source, None, None) for _ in range(5))))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["t1"] * 15
    assert provider.asked == 1


def test_a_caller_that_is_cancelled_leaves_the_fetch_to_the_next() -> None:
    """Nobody waits for ever."""

    async def main() -> None:
        from arriero._drive.token_tasks import token

        asked = 0

        async def provider() -> Token:
            nonlocal asked
            asked += 1
            await (asyncio.Event().wait() if asked == 1 else asyncio.sleep(0))
            return Token(f"t{asked}")

        source = Source(Provider("p", provider))
        first = asyncio.create_task(token(source, None, None))
        await asyncio.sleep(0)
        second = asyncio.create_task(token(source, None, None))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "t2"
        assert first.cancelled()

    asyncio.run(main())


def test_a_child_after_a_fork_fetches_for_itself() -> None:
    """The thread that was fetching is not there, and its lock may be held."""
    source = Source(Provider("p", Counted(3600), is_shared=True))
    source._lock.acquire()
    source._state.began(0.0)
    source.forget()
    assert source.token(None, time.monotonic() + 5) == "t1"
