"""The whole public API as a user's code has it, for the type checkers alone.

Nothing here runs: mypy and pyright read it in strict mode, and each `assert_type` is a test.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from numpy import float32
from numpy.typing import NDArray

import arriero
from arriero import (
    AsyncClient,
    AsyncStream,
    CallPolicy,
    ChatResponse,
    Client,
    EmbeddingsResponse,
    EmbedResponse,
    EnsureResponse,
    GenerateResponse,
    HttpInfo,
    Image,
    ListResponse,
    MeResponse,
    Message,
    OAuth2ClientCredentials,
    Options,
    Pool,
    ProcessResponse,
    ProgressResponse,
    PullPolicy,
    RawRecord,
    RawResponse,
    ServerStatusResponse,
    ShowResponse,
    SmokeTest,
    Statistics,
    StatusResponse,
    Stream,
    SystemOneNoulQuestion,
    SystemOneResponse,
    Timeouts,
    Tls,
    Token,
    TokenFile,
    Tool,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
    spki_pin,
)


def weather(city: str) -> str:
    """Tell the weather."""
    return city


def configured() -> Client:
    """Every argument of a client."""
    return Client(
        "https://llm.internal",
        headers={"x-team": "a"},
        timeouts=Timeouts(connect_s=3, first_token_s=120, idle_s=30, total_s=None),
        auth=lambda: "token",
        tls=Tls(ca=Path("ca.pem"), cert="me.pem", key="me.key", minimum_version="1.3"),
        proxy="http://proxy:3128",
        pool=Pool(max_connections=8, keep_idle=4),
        follow_redirects=False,
        max_line_bytes=1024,
        verify=True,
        limits=None,
    )


async def awaited_token() -> Token:
    """What an async client may ask."""
    return Token("t", expires_in_s=3600)


def identities() -> list[Client | AsyncClient]:
    """Every way to say who we are."""
    oauth = OAuth2ClientCredentials("https://idp/token", "me", "secret", scope="a")
    return [
        Client(auth="key"),
        Client(auth=("user", "password")),
        Client(auth=lambda: Token("t")),
        Client(auth=TokenFile(Path("token"))),
        Client(auth=oauth, cleartext_credentials="error"),
        Client(auth={"https://a": "key", "https://b": oauth}),
        AsyncClient(auth=awaited_token),
        Client("https://a", tls=Tls(pins=(spki_pin(Path("server.pem")),))),
    ]


def with_a_client(client: Client, flag: bool) -> None:
    """The sync client."""
    messages = [Message(role="user", content="hi", images=[Image(value=b"")])]
    answer = client.chat("m", messages, tools=[weather, Tool()], options=Options(seed=1))
    assert_type(answer, ChatResponse)
    assert_type(answer.message, Message)
    assert_type(answer.message.content, str | None)
    assert_type(answer.message.tool_calls, list[Message.ToolCall] | None)
    assert_type(answer.tokens_per_s, float | None)
    assert_type(answer["message"], Any)
    assert_type(answer.model_dump(), dict[str, Any])
    assert_type(answer.model_copy(), ChatResponse)
    assert_type(ChatResponse.model_validate({}), ChatResponse)

    parts = client.chat("m", [{"role": "user", "content": "hi"}], stream=True)
    assert_type(parts, Stream[ChatResponse])
    assert_type(client.chat("m", messages, stream=False), ChatResponse)
    assert_type(client.chat("m", messages, stream=flag), ChatResponse | Stream[ChatResponse])
    with client.generate("m", "p", stream=True, keep_alive=timedelta(minutes=5)) as stream:
        for part in stream:
            assert_type(part, GenerateResponse)
            assert_type(part.context, list[int] | None)
        assert_type(stream.response, GenerateResponse | None)
        assert_type(stream.text, str)
        assert_type(stream.complete, bool)
        assert_type(stream.http, HttpInfo | None)
        stream.cancel()
        stream.close()
    assert_type(iter(stream), Iterator[GenerateResponse])
    assert_type(client.generate("m", "p", context=[1], images=["a.png"]), GenerateResponse)
    assert_type(client.generate("m", "p", stream=flag), GenerateResponse | Stream[GenerateResponse])

    assert_type(client.embed("m", ["a", "b"], dimensions=8), EmbedResponse)
    assert_type(client.embed_array("m", ("a", "b")), NDArray[float32])
    assert_type(client.embeddings("m", "p"), EmbeddingsResponse)

    listed = client.list()
    assert_type(listed, ListResponse)
    assert_type(listed.models, list[ListResponse.Model])
    assert_type(listed.models[0].modified_at, datetime | None)
    assert_type(client.ps(), ProcessResponse)
    shown = client.show("m", verbose=True)
    assert_type(shown, ShowResponse)
    assert_type(shown.context_length, int | None)
    assert_type(client.pull("m"), ProgressResponse)
    assert_type(client.pull("m", stream=True), Stream[ProgressResponse])
    assert_type(client.pull("m", stream=flag), ProgressResponse | Stream[ProgressResponse])
    assert_type(client.push("m", insecure=True), ProgressResponse)
    assert_type(client.push("m", stream=True), Stream[ProgressResponse])
    assert_type(client.create("m", from_="b", system="s"), ProgressResponse)
    assert_type(client.create("m", from_="b", stream=True), Stream[ProgressResponse])
    path: os.PathLike[str] = Path("a")
    assert_type(client.create_blob(path), str)
    assert_type(client.ensure("m", digest="0" * 64, on_progress=print), EnsureResponse)
    assert_type(
        client.ensure(
            "m",
            smoke=SmokeTest("hi", "hello"),
            pull_policy=PullPolicy(attempts=2),
            policy=CallPolicy(),
        ),
        EnsureResponse,
    )
    assert_type(client.blob_exists("sha256:"), bool)
    assert_type(client.copy("a", "b"), StatusResponse)
    assert_type(client.delete("m"), StatusResponse)
    assert_type(client.version(timeouts=Timeouts.none()), VersionResponse)
    assert_type(client.status(), ServerStatusResponse)
    assert_type(client.statistics(), Statistics)
    assert_type(client.me(), MeResponse)
    assert_type(client.web_search("q", 3), WebSearchResponse)
    assert_type(client.web_fetch("u"), WebFetchResponse)
    questions = {"ok": SystemOneNoulQuestion(instructions="Is it?")}
    assert_type(client.systemone("m", {"a": 1}, questions), SystemOneResponse)
    assert_type(client.request("GET", "/x"), RawResponse)
    assert_type(client.request("GET", "/x", stream=True), Stream[RawRecord])
    client.load("m", keep_alive=-1)
    client.unload("m")
    assert_type(client.host, str)
    assert_type(client.timeouts, Timeouts)
    with client as entered:
        assert_type(entered, Client)
    client.close()


async def with_an_async_client(client: AsyncClient, flag: bool) -> None:
    """The async client."""
    answer = await client.chat("m", [{"role": "user", "content": "hi"}])
    assert_type(answer, ChatResponse)
    parts = await client.chat("m", [], stream=True)
    assert_type(parts, AsyncStream[ChatResponse])
    assert_type(await client.chat("m", [], stream=flag), ChatResponse | AsyncStream[ChatResponse])
    async for part in await client.generate("m", "p", stream=True):
        assert_type(part, GenerateResponse)
    async with await client.generate("m", "p", stream=True) as stream:
        assert_type(stream, AsyncStream[GenerateResponse])
        assert_type(stream.response, GenerateResponse | None)
        await stream.aclose()
        stream.cancel()
    assert_type(aiter(parts), AsyncIterator[ChatResponse])
    assert_type(await client.embed("m", "a"), EmbedResponse)
    assert_type(await client.embed_array("m", "a"), NDArray[float32])
    assert_type(await client.embeddings("m", "a"), EmbeddingsResponse)
    assert_type(await client.list(), ListResponse)
    assert_type(await client.ps(), ProcessResponse)
    assert_type(await client.show("m"), ShowResponse)
    assert_type(await client.pull("m", stream=True), AsyncStream[ProgressResponse])
    assert_type(await client.push("m"), ProgressResponse)
    assert_type(await client.create("m", stream=True), AsyncStream[ProgressResponse])
    assert_type(await client.create_blob("a"), str)
    assert_type(await client.ensure("m", smoke=[SmokeTest("hi")]), EnsureResponse)
    assert_type(await client.blob_exists("sha256:"), bool)
    assert_type(await client.copy("a", "b"), StatusResponse)
    assert_type(await client.delete("m"), StatusResponse)
    assert_type(await client.version(), VersionResponse)
    assert_type(await client.status(), ServerStatusResponse)
    assert_type(client.statistics(), Statistics)
    assert_type(await client.me(), MeResponse)
    assert_type(await client.web_search("q"), WebSearchResponse)
    assert_type(await client.web_fetch("u"), WebFetchResponse)
    assert_type(await client.systemone("m", "s", {}), SystemOneResponse)
    assert_type(await client.request("GET", "/x", stream=True), AsyncStream[RawRecord])
    await client.load("m")
    await client.unload("m")
    async with client as entered:
        assert_type(entered, AsyncClient)
    await client.close()


def with_the_module() -> None:
    """The functions of the default client."""
    assert_type(arriero.__version__, str)
    assert_type(arriero.chat("m", []), ChatResponse)
    assert_type(arriero.chat("m", [], stream=True), Stream[ChatResponse])
    assert_type(arriero.generate("m", "p"), GenerateResponse)
    assert_type(arriero.generate("m", "p", stream=True), Stream[GenerateResponse])
    assert_type(arriero.embed("m", "a"), EmbedResponse)
    assert_type(arriero.list(), ListResponse)
    assert_type(arriero.ps(), ProcessResponse)
    assert_type(arriero.show("m"), ShowResponse)
    assert_type(arriero.pull("m", stream=True), Stream[ProgressResponse])
    assert_type(arriero.version(), VersionResponse)
    assert_type(arriero.request("GET", "/x"), RawResponse)


def with_errors() -> None:
    """What handlers read."""
    try:
        arriero.version()
    except arriero.DeadlineExceeded as error:
        assert_type(error.budget, str)
        assert_type(error.limit_s, float)
    except arriero.StatusError as error:
        assert_type(error.error, str)
        assert_type(error.status, int)
        assert_type(error.headers, dict[str, str])
        assert_type(error.retry_after_s, float | None)
        assert_type(error.signin_url, str | None)
    except arriero.ParseError as error:
        assert_type(error.text, str)
    except arriero.ArrieroError as error:
        assert_type(error.call, str)
        assert_type(error.attempts, int)
        assert_type(error.retryable, bool)
    except ConnectionError:
        raise
