"""llama-index-llms-ollama and -embeddings-ollama over the shim; as `langchain.py`."""

import asyncio
import json
import sys
from typing import Any

from arriero import compat

compat.install()

from llama_index.core.base.llms.types import ChatMessage  # noqa: E402
from llama_index.core.tools import FunctionTool  # noqa: E402
from llama_index.embeddings.ollama import OllamaEmbedding  # noqa: E402
from llama_index.llms.ollama import Ollama  # noqa: E402
from pydantic import BaseModel  # noqa: E402

URL = sys.argv[1]
HI = [ChatMessage(role="user", content="hi")]


class Llama(BaseModel):
    """A llama."""

    age: int
    woolly: bool


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def model(name: str = "mini", **more: Any) -> Ollama:
    return Ollama(model=name, base_url=URL, request_timeout=30, temperature=0, **more)


def chat() -> Any:
    answer = model().chat(HI)
    return {"content": answer.message.content, "role": answer.message.role.value}


def stream() -> Any:
    parts = list(model().stream_chat(HI))
    return {"parts": len(parts), "content": parts[-1].message.content}


def completion() -> Any:
    parts = list(model().stream_complete("Once"))
    return {"text": model().complete("Once").text, "parts": len(parts)}


def thinking() -> Any:
    blocks = model("mini-think", thinking=True).chat(HI).message.blocks
    return {"kinds": sorted({type(block).__name__ for block in blocks})}


def tools() -> Any:
    llm = model()
    answer = llm.chat_with_tools([FunctionTool.from_defaults(add)], user_msg="what is 2 + 2?")
    calls = llm.get_tool_calls_from_response(answer)
    return [{"name": call.tool_name, "args": call.tool_kwargs} for call in calls]


def structured() -> Any:
    return model().as_structured_llm(Llama).chat(HI).raw.model_dump()


def metadata() -> Any:
    """The context window is read from the model's own metadata."""
    return {"window": model(context_window=-1).get_context_window()}


def embeddings() -> Any:
    made = OllamaEmbedding(model_name="mini-embed", base_url=URL)
    return [len(vector) for vector in made.get_text_embedding_batch(["a", "b"])]


async def in_loop() -> Any:
    llm = model()
    whole = await llm.achat(HI)
    parts = [part async for part in await llm.astream_chat(HI)]
    vector = await OllamaEmbedding(model_name="mini-embed", base_url=URL).aget_text_embedding("a")
    return {
        "content": whole.message.content,
        "streamed": parts[-1].message.content,
        "vector": len(vector),
    }


def main() -> None:
    scenarios = (chat, stream, completion, thinking, tools, structured, metadata, embeddings)
    made = {scenario.__name__: scenario() for scenario in scenarios}
    made["in_loop"] = asyncio.run(in_loop())
    made["implementation"] = {
        "active": compat.active().implementation,
        "still_official": compat.active().still_official,
    }
    print(json.dumps(made))


if __name__ == "__main__":
    main()
