"""From Python to JSON Schema and back: tools out of functions, objects out of answers."""

from arriero.schema.describe import Hidden
from arriero.schema.structured import FormatSpec, format_of
from arriero.schema.tool import convert_function_to_tool, tool_from_function, tools_to_wire

__all__ = (
    "tool_from_function",
    "tools_to_wire",
    "convert_function_to_tool",
    "Hidden",
    "format_of",
    "FormatSpec",
)
