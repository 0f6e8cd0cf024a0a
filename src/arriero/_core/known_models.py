"""Names of models that people ask for, to tell a slip of the finger from a new model.

Only ever used to suggest: a name that is not here is as good as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from arriero.names import DEFAULT_TAG

_POPULAR = """
all-minilm aya bge-large bge-m3 codegemma codellama codestral cogito command-r command-r-plus
command-r7b deepseek-coder deepseek-coder-v2 deepseek-r1 deepseek-v3 devstral dolphin-mixtral
dolphin3 embeddinggemma exaone3.5 falcon3 gemma gemma2 gemma3 gemma3n glm4 gpt-oss granite3.3
granite-embedding granite4 hermes3 internlm2 llama2 llama3 llama3.1 llama3.2 llama3.2-vision
llama3.3 llama4 llava magistral minicpm-v ministral-3 mistral mistral-large mistral-nemo
mistral-small mistral-small3.2 mixtral moondream mxbai-embed-large nemotron nomic-embed-text
olmo2 openthinker orca-mini paraphrase-multilingual phi phi3 phi3.5 phi4 phi4-mini
phi4-reasoning qwen qwen2 qwen2.5 qwen2.5-coder qwen2.5vl qwen3 qwen3-coder qwen3-embedding
qwen3-vl qwq reader-lm smollm smollm2 snowflake-arctic-embed snowflake-arctic-embed2 solar
starcoder2 tinyllama vicuna wizardlm2 yi yi-coder zephyr
"""


def nearest(model: str, present: Iterable[str]) -> list[str]:
    """Give up to three names like `model`, those the server has first."""
    wanted = model.strip().lower().removesuffix(f":{DEFAULT_TAG}")
    here = {name.removesuffix(f":{DEFAULT_TAG}").lower(): name for name in present}
    near = get_close_matches(wanted, here, 3, 0.7)
    found = [here[name].removesuffix(f":{DEFAULT_TAG}") for name in near]
    base, colon, tag = wanted.partition(":")
    for name in get_close_matches(base, _POPULAR.split(), 3, 0.75):
        if name != base and f"{name}{colon}{tag}" not in found:
            found.append(f"{name}{colon}{tag}")
    return found[:3]
