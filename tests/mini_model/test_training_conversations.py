"""The conversations the mini model is trained on."""

from __future__ import annotations

import hashlib
import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/mini_model/conversations.py"


@pytest.fixture
def conversations() -> ModuleType:
    """The script, loaded as a module."""
    spec = importlib.util.spec_from_file_location("mini_model_conversations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_same_seed_gives_the_conversations_of_the_shipped_weights(
    conversations: ModuleType,
) -> None:
    """A change here would train another model under the same name."""
    rng = random.Random(11)
    texts = "".join(conversations.conversation(rng) for _ in range(1000))

    assert hashlib.sha256(texts.encode()).hexdigest() == (
        "1521a6270dcc537a7638642fafc732d71926c960beb94ce87bda98a2c2d2bf6b"
    )
