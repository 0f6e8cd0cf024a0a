"""The few Go templates a prompt may bring along.

`/api/generate` takes a template that overrules the model's own. The language is Go's; this
server knows the part of it that nearly all requests use: the three variables, and white
space trimmed with dashes. Anything else is refused, never rendered wrongly.

Source: Go 1.26, text/template.
"""

from __future__ import annotations

import re

_ACTION = re.compile(r"(?:\s*\{\{-\s|\{\{)\s*(.*?)\s*(?:\s-\}\}\s*|\}\})", re.DOTALL)


class TemplateError(ValueError):
    """The text is no template; the message is Go's."""


class UnsupportedTemplate(ValueError):
    """The template does more than fill in variables."""


def fill_template(template: str, system: str, prompt: str) -> str:
    """Fill a template in.

    Args:
        template: With ``{{ .System }}``, ``{{ .Prompt }}`` and ``{{ .Response }}``; what
            follows the last one is left out, as the answer goes there.
        system: System text.
        prompt: The user's text.

    Raises:
        TemplateError: an action is not closed.
        UnsupportedTemplate: an action is none of the three.
    """
    values = {".System": system, ".Prompt": prompt}
    result: list[str] = []
    at = 0
    for action in _ACTION.finditer(template):
        result.append(template[at : action.start()])
        at = action.end()
        if action[1] == ".Response":
            return "".join(result)
        if action[1] not in values:
            raise UnsupportedTemplate(
                f"this server only fills .System, .Prompt and .Response into a template, "
                f"not {action[0].strip()!r}; leave template out to use the model's own"
            )
        result.append(values[action[1]])
    rest = template[at:]
    if "{{" in rest:
        line = template[: at + rest.index("{{")].count("\n") + 1
        raise TemplateError(f"template: :{line}: unclosed action")
    return "".join(result) + rest
