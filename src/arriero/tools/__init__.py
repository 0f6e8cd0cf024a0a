"""Running the tools a model asks for, and making tools out of functions."""

from arriero.schema import Hidden, tool_from_function
from arriero.tools.run import (
    Functions,
    call_tool,
    call_tool_async,
    run_tools,
    run_tools_async,
    tool_message,
)

__all__ = (
    "run_tools",
    "run_tools_async",
    "call_tool",
    "call_tool_async",
    "tool_message",
    "tool_from_function",
    "Hidden",
    "Functions",
)
