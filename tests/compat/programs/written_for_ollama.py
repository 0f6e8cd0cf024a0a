"""A program as people write it for the `ollama` package: only its import line is changed.

Talks to ``OLLAMA_HOST`` and prints what each part gave as one JSON object.
"""

import asyncio
import json
from typing import Any

import ollama

FIXED = {"temperature": 0, "seed": 1}
HI = {"role": "user", "content": "hi"}


def chat() -> Any:
    response = ollama.chat(model="mini", messages=[HI], options=FIXED)
    assert response["message"]["content"] == response.message.content
    assert response.get("done") is True
    return response["message"]["content"]


def stream() -> Any:
    pieces = []
    for part in ollama.chat(model="mini", messages=[HI], options=FIXED, stream=True):
        pieces.append(part["message"]["content"])
    return "".join(pieces)


def history() -> Any:
    """Answers are appended to the conversation as they came."""
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, HI]
    for question in ("what is a llama?", "thanks"):
        answer = ollama.chat("mini", messages, options=ollama.Options(**FIXED))
        messages += [answer.message, {"role": "user", "content": question}]
    return [message["role"] for message in messages]


def generate() -> Any:
    whole = ollama.generate("mini", "Once", options={**FIXED, "num_predict": 8})
    parts = ollama.generate("mini", "Once", options={**FIXED, "num_predict": 8}, stream=True)
    return [whole["response"], "".join(part["response"] for part in parts), whole.done_reason]


def thinking() -> Any:
    response = ollama.chat("mini-think", [HI], think=True, options=FIXED)
    return bool(response.message.thinking)


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.

    Returns:
        Their sum.
    """
    return a + b


def tools() -> Any:
    question = {"role": "user", "content": "what is 2 + 2?"}
    messages: list[Any] = [question]
    response = ollama.chat("mini", messages=messages, tools=[add], options=FIXED)
    messages.append(response.message)
    for call in response.message.tool_calls or []:
        result = {"add": add}[call.function.name](**call.function.arguments)
        messages.append({"role": "tool", "content": str(result), "tool_name": call.function.name})
    final = ollama.chat("mini", messages=messages, tools=[add], options=FIXED)
    return [len(response.message.tool_calls or []), final.message.content]


def structured() -> Any:
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer"}, "woolly": {"type": "boolean"}},
        "required": ["age", "woolly"],
    }
    response = ollama.chat("mini", [HI], format=schema, options=FIXED)
    return sorted(json.loads(response.message.content or ""))


def embed() -> Any:
    one = ollama.embed(model="mini-embed", input="a llama")
    many = ollama.embed("mini-embed", ["a llama", "a star"])
    old = ollama.embeddings(model="mini-embed", prompt="a llama")
    return [
        len(one["embeddings"]),
        len(many.embeddings),
        len(old["embedding"]),
        one.embeddings[0] == many["embeddings"][0],
    ]


def management() -> Any:
    names = sorted(model.model for model in ollama.list().models)
    assert names == sorted(model["model"] for model in ollama.list()["models"])
    shown = ollama.show("mini")
    running = [model.model for model in ollama.ps().models]
    return {
        "names": names,
        "capabilities": shown.capabilities,
        "architecture": shown.modelinfo["general.architecture"],
        "family": shown["details"]["family"],
        "running": "mini:latest" in running,
    }


def errors() -> Any:
    made = []
    try:
        ollama.chat("absent", [HI])
    except ollama.ResponseError as error:
        made.append([error.status_code, "absent" in error.error])
    try:
        next(iter(ollama.generate("absent", "x", stream=True)))
    except ollama.ResponseError as error:
        made.append([error.status_code, "absent" in str(error)])
    try:
        ollama.Client(host="http://127.0.0.1:1").list()
    except ConnectionError:
        made.append(["unreachable"])
    return made


async def in_loop() -> Any:
    client = ollama.AsyncClient()
    whole = await client.chat("mini", [HI], options=FIXED)
    pieces = []
    async for part in await client.chat("mini", [HI], options=FIXED, stream=True):
        pieces.append(part.message.content or "")
    many = await asyncio.gather(*(client.embed("mini-embed", text) for text in "abc"))
    return [whole.message.content, "".join(pieces), len(many)]


def main() -> None:
    parts = (
        chat,
        stream,
        history,
        generate,
        thinking,
        tools,
        structured,
        embed,
        management,
        errors,
    )
    made = {part.__name__: part() for part in parts}
    made["in_loop"] = asyncio.run(in_loop())
    made["by"] = type(ollama.list()).__module__.partition(".")[0]
    print(json.dumps(made))


main()
