"""The embedded server: Ollama's protocol over llama.cpp, in this process.

Needs the extra ``server``. Importing this loads neither llama.cpp nor an HTTP server;
both come when a server starts and a model loads.
"""

from __future__ import annotations

from .app import Application, RequestLine
from .running import Models, Server, create_app, run, serve

__all__ = ("Application", "Models", "RequestLine", "Server", "create_app", "run", "serve")
