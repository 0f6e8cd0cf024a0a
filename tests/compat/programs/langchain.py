"""langchain-ollama over the shim, against the server whose URL is the first argument.

Prints what each scenario gave as one JSON object.
"""

import asyncio
import importlib.util
import json
import sys
from typing import Any

from arriero import compat

compat.install()

from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM  # noqa: E402
from pydantic import BaseModel  # noqa: E402

URL = sys.argv[1]


class Llama(BaseModel):
    """A llama."""

    age: int
    woolly: bool


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def chat() -> Any:
    answer = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1).invoke("hi")
    return {
        "content": answer.content,
        "done_reason": answer.response_metadata["done_reason"],
        "model": answer.response_metadata["model"],
        "tokens": answer.usage_metadata,
    }


def stream() -> Any:
    model = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1)
    parts = list(model.stream("hi"))
    return {"parts": len(parts), "content": "".join(str(part.content) for part in parts)}


def thinking() -> Any:
    model = ChatOllama(model="mini-think", base_url=URL, temperature=0, seed=1, reasoning=True)
    return {"reasoning": model.invoke("hi").additional_kwargs.get("reasoning_content")}


def tools() -> Any:
    model = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1).bind_tools([add])
    answer = model.invoke("what is 2 + 2?")
    return [{"name": call["name"], "args": call["args"]} for call in answer.tool_calls]


def replay() -> Any:
    """A whole turn with a tool: the model's call and the tool's result go back."""
    from langchain_core.messages import HumanMessage, ToolMessage

    model = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1).bind_tools([add])
    question = HumanMessage("what is 2 + 2?")
    call = model.invoke([question])
    result = ToolMessage("4", tool_call_id=call.tool_calls[0]["id"], name="add")
    return {"content": model.invoke([question, call, result]).content}


def structured() -> Any:
    model = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1)
    return model.with_structured_output(Llama, method="json_schema").invoke("a llama").model_dump()


def embeddings() -> Any:
    vectors = OllamaEmbeddings(model="mini-embed", base_url=URL).embed_documents(["a", "b"])
    return [len(vector) for vector in vectors]


def completion() -> Any:
    return {"text": OllamaLLM(model="mini", base_url=URL, temperature=0, seed=1).invoke("Once")}


def validated() -> Any:
    """The check that the model is there, and what it says if not."""
    ChatOllama(model="mini", base_url=URL, validate_model_on_init=True)
    try:
        ChatOllama(model="absent", base_url=URL, validate_model_on_init=True)
    except ValueError as error:
        return {"refused": "absent" in str(error)}
    return {"refused": False}


def unreachable() -> Any:
    try:
        ChatOllama(model="mini", base_url="http://127.0.0.1:1", validate_model_on_init=True)
    except ValueError as error:
        return {"error": type(error).__name__}
    return {"error": None}


def refused_stream() -> Any:
    """Code beside langchain catches what the official client leaks."""
    import httpx

    try:
        ChatOllama(model="mini", base_url="http://127.0.0.1:1").invoke("hi")
    except httpx.ConnectError as error:
        return {"builtin": isinstance(error, ConnectionError)}
    return {"builtin": None}


async def in_loop() -> Any:
    model = ChatOllama(model="mini", base_url=URL, temperature=0, seed=1)
    whole = await model.ainvoke("hi")
    parts = [part async for part in model.astream("hi")]
    vectors = await OllamaEmbeddings(model="mini-embed", base_url=URL).aembed_documents(["a"])
    return {
        "content": whole.content,
        "streamed": "".join(str(part.content) for part in parts),
        "vectors": len(vectors),
    }


def main() -> None:
    scenarios = (
        chat,
        stream,
        thinking,
        tools,
        replay,
        structured,
        embeddings,
        completion,
        validated,
        unreachable,
        refused_stream,
    )
    made = {scenario.__name__: scenario() for scenario in scenarios}
    made["in_loop"] = asyncio.run(in_loop())
    made["implementation"] = {
        "active": compat.active().implementation,
        "still_official": compat.active().still_official,
        "module": importlib.util.find_spec("ollama") is not None,
    }
    print(json.dumps(made))


if __name__ == "__main__":
    main()
