"""OpenAI's own Python package, unchanged, against the embedded server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from arriero.server import Server

openai = pytest.importorskip("openai")

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {"city": {"type": "string", "description": "The name of the city"}},
        },
    },
}
HELLO: Any = [{"role": "user", "content": "Hello"}]
GREETING = "Hello! I am glad that you are here. What would you like to know about llamas?"


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client as any program has it; no retries, so that an error is the first one."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def test_a_chat(client: Any) -> None:
    """Text, reason and usage are where the package looks for them."""
    answer = client.chat.completions.create(model="mini", messages=HELLO, temperature=0, seed=1)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == (GREETING, "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 24
    assert answer.id.startswith("chatcmpl-")


def test_a_stream(client: Any) -> None:
    """The deltas make up the whole text; usage comes last, where asked for."""
    chunks = list(
        client.chat.completions.create(
            model="mini",
            messages=HELLO,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(texts) == GREETING
    assert len(texts) > 10
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 24)


def test_the_asynchronous_client(server: Server) -> None:
    """The same over its other colour."""

    async def talk() -> str:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            stream = await client.chat.completions.create(
                model="mini", messages=HELLO, temperature=0, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(talk()) == GREETING


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_call_and_its_result(client: Any, stream: bool) -> None:
    """The call comes with decodable arguments; its result is understood by its id."""
    messages: Any = [{"role": "user", "content": "What is the weather in Lima?"}]
    asked: Any = {"model": "mini", "messages": messages, "tools": [WEATHER], "temperature": 0}
    if stream:
        chunks = list(client.chat.completions.create(**asked, stream=True))
        call = chunks[0].choices[0].delta.tool_calls[0]
        reason = chunks[-1].choices[0].finish_reason
    else:
        answer = client.chat.completions.create(**asked)
        call, reason = answer.choices[0].message.tool_calls[0], answer.choices[0].finish_reason
    assert (call.function.name, reason) == ("get_weather", "tool_calls")
    assert json.loads(call.function.arguments) == {"city": "Lima"}

    function = {"name": "get_weather", "arguments": call.function.arguments}
    said = {"id": call.id, "type": "function", "function": function}
    messages.append({"role": "assistant", "tool_calls": [said]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "19 degrees and cloudy"})
    answer = client.chat.completions.create(**asked)
    assert answer.choices[0].message.content == "It is 19 degrees and cloudy in Lima."


def test_structured_output(client: Any) -> None:
    """A pydantic model goes in as a schema and comes out filled."""
    pydantic = pytest.importorskip("pydantic")
    llama = pydantic.create_model("Llama", name=(str, ...), age=(int, ...))
    answer = client.chat.completions.parse(
        model="mini",
        messages=[{"role": "user", "content": "Luna is 5 years old. Respond in JSON."}],
        response_format=llama,
        temperature=0,
    )
    found = answer.choices[0].message.parsed
    assert isinstance(found, llama)
    assert found.model_dump()["age"] == json.loads(answer.choices[0].message.content)["age"]


def test_reasoning_comes_apart_from_the_answer(client: Any) -> None:
    """In the field that packages read as an extra."""
    answer = client.chat.completions.create(
        model="mini-think",
        messages=[{"role": "user", "content": "What is 7 plus 5?"}],
        reasoning_effort="low",
        temperature=0,
    )
    message = answer.choices[0].message
    assert message.content == "7 plus 5 is 12."
    assert "7 plus 5" in message.model_extra["reasoning"]


def test_log_probabilities(client: Any) -> None:
    """One entry per token, with alternatives, streamed or not."""
    asked: Any = {"model": "mini", "messages": HELLO, "logprobs": True, "top_logprobs": 2}
    asked |= {"temperature": 0, "max_tokens": 3}
    whole = client.chat.completions.create(**asked).choices[0].logprobs.content
    chunks = list(client.chat.completions.create(**asked, stream=True))
    parts = [c.choices[0].logprobs.content for c in chunks if c.choices[0].logprobs]
    streamed = [entry for part in parts for entry in part]
    assert [entry.token for entry in whole] == ["Hello", "!", " I"]
    assert [entry.token for entry in streamed] == ["Hello", "!", " I"]
    assert all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in whole)


def test_completions(client: Any) -> None:
    """Whole and streamed say the same, stop texts are kept to, log probabilities come."""
    asked: Any = {"model": "mini", "prompt": "Hello", "temperature": 0, "stop": ["you"]}
    whole = client.completions.create(**asked).choices[0]
    assert (whole.text, whole.finish_reason) == ("Hello! I am glad that ", "stop")
    streamed = client.completions.create(**asked, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole.text
    few = client.completions.create(**asked, max_tokens=2, logprobs=1).choices[0]
    assert few.finish_reason == "length"
    assert len(few.logprobs.content) == 2


def test_embeddings(client: Any) -> None:
    """The package asks for bytes by itself; numbers give the same vectors."""
    texts = ["llamas like hay", "Peru"]
    packed = client.embeddings.create(model="mini-embed", input=texts)
    plain = client.embeddings.create(model="mini-embed", input=texts, encoding_format="float")
    assert [len(row.embedding) for row in packed.data] == [192, 192]
    assert [row.index for row in packed.data] == [0, 1]
    for ours, theirs in zip(packed.data, plain.data, strict=True):
        assert ours.embedding == pytest.approx(theirs.embedding, abs=1e-7)
    short = client.embeddings.create(model="mini-embed", input="Peru", dimensions=8)
    assert len(short.data[0].embedding) == 8
    assert client.embeddings.create(model="mini-embed", input="x").usage.prompt_tokens == 1


def test_models(client: Any) -> None:
    """The list pages to its end; one is found by its short name."""
    names = [model.id for model in client.models.list()]
    assert {"mini:latest", "mini-think:latest", "mini-embed:latest"} <= set(names)
    model = client.models.retrieve("mini")
    assert (model.id, model.owned_by) == ("mini", "library")
    assert model.created > 0


def test_responses(client: Any) -> None:
    """Whole and streamed, with instructions, history and usage."""
    asked: Any = {"model": "mini", "temperature": 0, "instructions": "Be kind."}
    whole = client.responses.create(**asked, input=HELLO)
    assert (whole.status, whole.output_text) == ("completed", GREETING)
    assert whole.instructions == "Be kind."
    events = list(client.responses.create(**asked, input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == GREETING
    assert events[-1].response.output_text == GREETING
    assert events[-1].response.usage.output_tokens == 24


def test_responses_with_a_tool_and_reasoning(client: Any) -> None:
    """The call and its result travel as items; reasoning is an item before the text."""
    tool = {"type": "function", **WEATHER["function"], "strict": False}
    asked: Any = {"model": "mini", "temperature": 0, "tools": [tool]}
    items: Any = [{"role": "user", "content": "What is the weather in Lima?"}]
    for stream in (True, False):
        answer = client.responses.create(**asked, input=items, stream=stream)
        answer = list(answer)[-1].response if stream else answer
        (call,) = answer.output
        assert (call.type, call.name) == ("function_call", "get_weather")
        assert json.loads(call.arguments) == {"city": "Lima"}
    items.append(call.model_dump(exclude_none=True))
    result = {"type": "function_call_output", "call_id": call.call_id}
    items.append(result | {"output": "19 degrees and cloudy"})
    answer = client.responses.create(**asked, input=items)
    assert answer.output_text == "It is 19 degrees and cloudy in Lima."

    sums: Any = {"model": "mini-think", "input": "What is 7 plus 5?", "temperature": 0}
    whole = client.responses.create(**sums)
    streamed = list(client.responses.create(**sums, stream=True))[-1].response
    for answer in (whole, streamed):
        assert [item.type for item in answer.output] == ["reasoning", "message"]
        assert "7 plus 5" in answer.output[0].summary[0].text
        assert answer.output_text == "7 plus 5 is 12."


def test_a_schema_for_responses(client: Any) -> None:
    """`text.format` rules the answer and is told back."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form: Any = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
    for stream in (True, False):
        answer = client.responses.create(
            model="mini", input="A number in JSON.", text=form, temperature=0, stream=stream
        )
        answer = list(answer)[-1].response if stream else answer
        assert isinstance(json.loads(answer.output_text)["n"], int)
        assert answer.text.format.name == "n"


def test_errors_are_the_packages_own(client: Any) -> None:
    """Status and text arrive; nothing is a decoding error."""
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nope", messages=HELLO)
    assert missing.value.body["message"] == "model 'nope' not found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="mini", messages=HELLO, reasoning_effort="low")
    assert refused.value.body["message"] == '"mini" does not support thinking'
    with pytest.raises(openai.NotFoundError):
        list(client.chat.completions.create(model="nope", messages=HELLO, stream=True))
