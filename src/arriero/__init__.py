"""The Ollama client for production, and a drop-in for the `ollama` package."""

__version__ = "0.1.0"
