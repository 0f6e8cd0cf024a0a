"""Go's `text/template` with Ollama's functions and data: the language of Modelfile templates.

Nothing here reads or writes anything; the date comes from a clock the caller may give.
"""

from .conversation import infill_prompt_from, prompt_from
from .errors import TemplateError
from .execution import Limits
from .template import Template, fields_of, parse, thinking_tags
from .turns import ToolCall, Turn

__all__ = (
    "Limits",
    "Template",
    "TemplateError",
    "ToolCall",
    "Turn",
    "fields_of",
    "infill_prompt_from",
    "parse",
    "prompt_from",
    "thinking_tags",
)
