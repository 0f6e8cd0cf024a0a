"""The one error of this package."""

from __future__ import annotations


class TemplateError(ValueError):
    """A template does not parse, or does not render; the message is Go's."""
