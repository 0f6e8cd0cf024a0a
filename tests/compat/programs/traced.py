"""A tracer in the manner of the known instrumentors around a program that uses `ollama`."""

import asyncio
import json
import sys
from typing import Any

from arriero import compat

compat.install(metadata=True)

import importlib.metadata  # noqa: E402

import ollama  # noqa: E402
import wrapt  # noqa: E402

importlib.metadata.version("ollama")  # tracers refuse to start without
SPANS: list[dict[str, Any]] = []


def operation(args: Any) -> str:
    return str(args[2]).rstrip("/").rsplit("/", 1)[-1]


def finish(span: dict[str, Any], response: Any) -> None:
    fields = response.model_dump()
    span["tokens"] = (fields.get("prompt_eval_count") or 0) + (fields.get("eval_count") or 0)


def sync_tracer(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    span = {"operation": operation(args), "model": kwargs["json"]["model"], "text": ""}
    SPANS.append(span)
    response = wrapped(*args, **kwargs)
    if not kwargs.get("stream"):
        finish(span, response)
        if "message" in response:
            span["text"] = response["message"]["content"]
        return response

    def relayed() -> Any:
        part = None
        for part in response:
            span["text"] += part["message"]["content"]
            yield part
        finish(span, part)

    return relayed()


async def async_tracer(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    span = {"operation": operation(args), "model": kwargs["json"]["model"], "text": ""}
    SPANS.append(span)
    response = await wrapped(*args, **kwargs)

    async def relayed() -> Any:
        part = None
        async for part in response:
            span["text"] += part["message"]["content"]
            yield part
        finish(span, part)

    if kwargs.get("stream"):
        return relayed()
    finish(span, response)
    return response


wrapt.wrap_function_wrapper("ollama._client", "Client._request", sync_tracer)
wrapt.wrap_function_wrapper("ollama._client", "AsyncClient._request", async_tracer)

URL = sys.argv[1]
HI = [{"role": "user", "content": "hi"}]
FIXED = {"temperature": 0, "seed": 1}


async def in_loop() -> str:
    async with ollama.AsyncClient(URL) as client:
        stream = await client.chat("mini", HI, stream=True, options=FIXED)
        return "".join([part.message.content async for part in stream])


def main() -> None:
    with ollama.Client(URL) as client:
        whole = client.chat("mini", HI, options=FIXED)
        joined = "".join(
            part["message"]["content"]
            for part in client.chat("mini", HI, stream=True, options=FIXED)
        )
        assert asyncio.run(in_loop()) == joined
        client.embed("mini-embed", "a")
    print(json.dumps({"spans": SPANS, "texts": [whole.message.content, joined]}))


main()
