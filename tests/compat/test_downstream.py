"""Packages that say ``import ollama`` themselves run over the shim, unchanged."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from .conftest import run_program

HELLO = "Hello!"


def _run(package: str, program: str, url: str) -> Any:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return run_program(program, url)


@pytest.fixture(scope="module")
def langchain(embedded: str) -> Any:
    """What each scenario of langchain-ollama gave."""
    return _run("langchain_ollama", "langchain.py", embedded)


@pytest.fixture(scope="module")
def llama_index(embedded: str) -> Any:
    """What each scenario of llama-index gave."""
    return _run("llama_index", "llama_index_llm.py", embedded)


def test_langchain_runs_on_arriero_alone(langchain: Any) -> None:
    """No module of the program holds anything of the official package."""
    assert langchain["implementation"] == {
        "active": "arriero",
        "still_official": [],
        "module": True,
    }


def test_langchain_chats_and_streams_the_same_text(langchain: Any) -> None:
    """A whole answer and the joined parts of a stream agree, in both colours."""
    text = langchain["chat"]["content"]
    assert text.startswith(HELLO)
    assert langchain["stream"]["content"] == text
    assert langchain["stream"]["parts"] > 3
    assert langchain["in_loop"] == {"content": text, "streamed": text, "vectors": 1}


def test_langchain_reads_model_reason_and_usage(langchain: Any) -> None:
    """What it takes from the last record is there."""
    chat = langchain["chat"]
    assert (chat["done_reason"], chat["model"]) == ("stop", "mini")
    assert chat["tokens"]["total_tokens"] == (
        chat["tokens"]["input_tokens"] + chat["tokens"]["output_tokens"]
    )


def test_langchain_gets_reasoning(langchain: Any) -> None:
    """Thinking arrives apart from the answer."""
    assert langchain["thinking"]["reasoning"]


def test_langchain_calls_tools_and_replays_them(langchain: Any) -> None:
    """A call comes with a dict of arguments, and its result goes back."""
    (call,) = langchain["tools"]
    assert call["name"] == "add"
    assert set(call["args"]) == {"a", "b"}
    assert "4" in langchain["replay"]["content"]


def test_langchain_gets_structured_output(langchain: Any) -> None:
    """The schema goes out as ``format`` and the object comes back."""
    assert set(langchain["structured"]) == {"age", "woolly"}


def test_langchain_embeds(langchain: Any) -> None:
    """One vector for each text."""
    assert langchain["embeddings"] == [192, 192]


def test_langchain_completes(langchain: Any) -> None:
    """`OllamaLLM` uses generate."""
    assert langchain["completion"]["text"]


def test_langchain_checks_that_a_model_is_there(langchain: Any) -> None:
    """The check reads ``list()["models"][i]["model"]`` and refuses absent ones."""
    assert langchain["validated"] == {"refused": True}


def test_langchain_sees_an_unreachable_server(langchain: Any) -> None:
    """It catches what it knows, and code beside it catches httpx's class or the builtin."""
    assert langchain["unreachable"] == {"error": "ValidationError"}
    assert langchain["refused_stream"] == {"builtin": True}


def test_llama_index_runs_on_arriero_alone(llama_index: Any) -> None:
    """No module of the program holds anything of the official package."""
    assert llama_index["implementation"] == {"active": "arriero", "still_official": []}


def test_llama_index_chats_and_streams_the_same_text(llama_index: Any) -> None:
    """A whole answer and the end of a stream agree, in both colours."""
    text = llama_index["chat"]["content"]
    assert text.startswith(HELLO)
    assert llama_index["chat"]["role"] == "assistant"
    assert llama_index["stream"]["content"] == text
    assert llama_index["stream"]["parts"] > 3
    assert llama_index["in_loop"] == {"content": text, "streamed": text, "vector": 192}


def test_llama_index_completes(llama_index: Any) -> None:
    """Prompts are completed whole and in parts."""
    assert llama_index["completion"]["text"]
    assert llama_index["completion"]["parts"] > 1


def test_llama_index_gets_reasoning(llama_index: Any) -> None:
    """Thinking arrives as a block of its own."""
    assert llama_index["thinking"]["kinds"] == ["TextBlock", "ThinkingBlock"]


def test_llama_index_calls_tools(llama_index: Any) -> None:
    """``dict(tool_call)`` has what it needs."""
    (call,) = llama_index["tools"]
    assert call["name"] == "add"
    assert set(call["args"]) == {"a", "b"}


def test_llama_index_gets_structured_output(llama_index: Any) -> None:
    """The schema goes out as ``format`` and the object comes back."""
    assert set(llama_index["structured"]) == {"age", "woolly"}


def test_llama_index_finds_the_context_length(llama_index: Any) -> None:
    """``show(...).modelinfo`` can be searched."""
    assert llama_index["metadata"] == {"window": 2048}


def test_llama_index_embeds(llama_index: Any) -> None:
    """One vector for each text."""
    assert llama_index["embeddings"] == [192, 192]
