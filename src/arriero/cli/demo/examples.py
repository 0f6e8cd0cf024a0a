"""What the demo runs and shows: code as a user would write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from arriero import AsyncClient, ChatResponse, Client, run_tools

COLD = {"temperature": 0, "seed": 7}
"""Options with which a model says the same each time."""

Answer = ChatResponse | None
Show = Callable[[str | None], None]
Follow = Callable[[int, ChatResponse], None]

# No line is longer than 76: the demo shows them indented, on 80 columns.


def stream_a_chat(client: Client, question: str, show: Show) -> Answer:
    """Show the answer while it is written; give all of it in the end."""
    messages = [{"role": "user", "content": question}]
    stream = client.chat("mini", messages, stream=True, options=COLD)
    for part in stream:
        show(part.message.content)
    return stream.response


def think_first(client: Client, text: str, show: Show, dim: Show) -> None:
    """Show the model's reasoning, dimmed, and then its answer."""
    messages = [{"role": "user", "content": text}]
    stream = client.chat(
        "mini-think",
        messages,
        think=True,
        stream=True,
        options=COLD,
    )
    for part in stream:
        dim(part.message.thinking)
        show(part.message.content)


def get_current_weather(city: str) -> str:
    """Get the current weather for a city.

    Args:
        city: The name of the city
    """
    return "19 degrees and foggy" if city == "Lima" else "unknown"


def add_two_numbers(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first number
        b: The second number
    """
    return a + b


def answer_with_tools(client: Client, question: str) -> list[Any]:
    """Run what the model calls; give the whole conversation."""
    tools: list[Callable[..., Any]] = [get_current_weather, add_two_numbers]
    messages: list[Any] = [{"role": "user", "content": question}]
    response = client.chat("mini", messages, tools=tools, options=COLD)
    if response.message.tool_calls:
        messages += [response.message, *run_tools(response, tools)]
        response = client.chat("mini", messages, tools=tools, options=COLD)
    return [*messages, response.message]


@dataclass
class Llama:
    """One animal."""

    name: str
    age: int


@dataclass
class Herd:
    """What the answer must look like."""

    llamas: list[Llama]


def read_herd(client: Client, text: str) -> Herd:
    """Have the model fill the dataclass in."""
    messages = [{"role": "user", "content": text}]
    response = client.chat("mini", messages, format=Herd, options=COLD)
    herd: Herd = response.parsed
    return herd


def compare(client: Client, texts: Sequence[str]) -> list[list[float]]:
    """Give the similarity of each text to each: a cosine."""
    vectors = client.embed("mini-embed", texts).embeddings
    return [[sum(map(mul, a, b)) for b in vectors] for a in vectors]


async def stream_at_once(url: str, texts: list[str], show: Follow) -> None:
    """Ask everything at the same time; show each part of each answer."""
    async with AsyncClient(url) as client:

        async def follow(number: int, text: str) -> None:
            messages = [{"role": "user", "content": text}]
            stream = await client.chat("mini", messages, stream=True)
            async for part in stream:
                show(number, part)

        await asyncio.gather(*(follow(*each) for each in enumerate(texts)))
