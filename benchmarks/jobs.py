"""What a subject offers: functions that prepare a client and give a job to be run.

Each takes the server's URL and a stack for what is to be closed at the end; it runs inside
an event loop if the job is a coroutine function. A job takes the model and a count of
calls or streams, and gives the units of work it did.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Job: TypeAlias = Callable[[str, int], int]
AsyncJob: TypeAlias = Callable[[str, int], Coroutine[Any, Any, int]]
