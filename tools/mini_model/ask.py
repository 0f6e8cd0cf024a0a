"""Ask a GGUF file of the mini model a few things.

python tools/mini_model/ask.py [FILE]
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

from arriero.server import serve

_CITY = {"type": "string", "description": "The name of the city"}
_NUMBER = {"type": "integer", "description": "The first number"}


def _function(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "required": list(properties), "properties": properties}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER = _function("get_weather", "Get the current weather for a city", {"city": _CITY})
ADD = _function("add_two_numbers", "Add two numbers", {"a": _NUMBER, "b": _NUMBER})
COUNTRY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "capital": {"type": "string"}},
    "required": ["name", "capital"],
}

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Why is the sky blue?", {}),
    ("Hello!", {}),
    ("Tell me a story about a llama called Bruno.", {}),
    ("What is the capital of Peru?", {}),
    ("What is the weather today in Toronto?", {"tools": [WEATHER]}),
    ("What is 4821 plus 377?", {"tools": [ADD, WEATHER]}),
    ("Tell me about Canada. Respond in JSON.", {"format": COUNTRY}),
)


def main() -> None:
    """Serve the file and print question and answer."""
    models = {"asked": sys.argv[1]} if len(sys.argv) > 1 else None
    name = "asked" if models else "mini"
    with serve(models=models) as server:
        for question, more in QUESTIONS:
            body: dict[str, Any] = {
                "model": name,
                "messages": [{"role": "user", "content": question}],
                "stream": False,
                "options": {"temperature": 0, "num_predict": 120},
                **more,
            }
            data = json.dumps(body).encode()
            with urllib.request.urlopen(f"{server.url}/api/chat", data) as answer:
                message = json.load(answer)["message"]
            print(f"{question}\n    {message['content'] or message.get('tool_calls')}")


if __name__ == "__main__":
    main()
