"""`AsyncClient`: every endpoint of Ollama's API."""

from __future__ import annotations

from arriero._async.inference import InferenceCalls
from arriero._async.models import ModelCalls
from arriero._async.service import ServiceCalls


class AsyncClient(InferenceCalls, ModelCalls, ServiceCalls):
    """A client of one Ollama server.

    Shared between calls, and closed by `close` or by leaving the context.
    Methods take the arguments of the `ollama` package in its order; each also takes
    `timeouts`, which replaces the client's budgets for that call, and `policy`, which replaces
    what else governs it.

    Raises, from every method: `RequestError` at once for wrong arguments; `ConnectFailed`,
    `ConnectionLost`, `DeadlineExceeded`, `StatusError`, `ProtocolError` from the call.
    """
