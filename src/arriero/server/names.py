"""Model names as requests give them."""

from __future__ import annotations

from ..names import ConflictingSource, InvalidName, ModelName, parse_name, split_source
from .exchange import Refused


def local_name(text: str, *, wanted: str = "remote model is") -> ModelName:
    """Read the name of a model that is to run here.

    Args:
        text: The name as sent, without spaces around it.
        wanted: What a cloud model cannot give, for the refusal.

    Raises:
        Refused: 400 for a malformed name, 403 for a cloud model.
    """
    try:
        base, source = split_source(text)
        name = parse_name(base)
    except ConflictingSource as error:
        raise Refused(400, str(error)) from error
    except InvalidName as error:
        raise Refused(400, "invalid model name") from error
    if source == "cloud":
        raise Refused(403, f"ollama cloud is disabled: {wanted} unavailable")
    return name
