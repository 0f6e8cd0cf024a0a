"""What is measured: one row of the table each, with its target from the design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from benchmarks import wire

Size: TypeAlias = Literal["full", "quick", "smoke"]
SIZES: tuple[Size, ...] = ("full", "quick", "smoke")


@dataclass(frozen=True)
class Target:
    """What the ratio to another subject is held to."""

    limit: float | None
    """None shows the number and holds it to nothing."""
    more_is_better: bool = False
    is_added: bool = False
    """True if the target is for what is added to the other subject, and not for the ratio."""

    def holds(self, ratio: float) -> bool | None:
        """Tell whether `ratio` is on the right side; None without a limit."""
        if self.limit is None:
            return None
        return ratio >= self.limit if self.more_is_better else ratio <= self.limit

    def __str__(self) -> str:
        if self.limit is None:
            return ""
        sign = "≥" if self.more_is_better else "≤"
        return f"{sign} {'+' if self.is_added else ''}{self.limit:.3g}"


@dataclass(frozen=True)
class Work:
    """A job done by a client that is warm."""

    name: str
    job: str
    plans: Mapping[Size, tuple[str, int, int]]
    """Model, count of calls or streams, and units of work that come of it."""
    unit: Literal["µs/token", "µs/call", "ms/call", "tokens/CPU s"]
    targets: Mapping[str, Target]
    rounds: Mapping[Size, int]

    def value(self, cpu_s: float, units: int) -> float:
        """Give the cost in `unit`."""
        if self.unit == "tokens/CPU s":
            return units / cpu_s
        return cpu_s / units * (1e3 if self.unit == "ms/call" else 1e6)


@dataclass(frozen=True)
class Cold:
    """A process from its start to its end; a bare interpreter's CPU time is taken off."""

    name: str
    code: Mapping[str, str]
    """Subject to program; ``{url}`` stands for the server's."""
    targets: Mapping[str, Target]
    rounds: Mapping[Size, int] = field(default_factory=lambda: {"full": 11, "quick": 3, "smoke": 1})
    unit: str = "ms"


@dataclass(frozen=True)
class Memory:
    """Growth of peak memory between two lengths of a stream, each in a process of its own."""

    name: str
    job: str
    parts: Mapping[Size, tuple[int, int]]
    unit: str = "KiB"


def _stream_plans(parts: int, *, interval_us: int = 0) -> dict[Size, tuple[str, int, int]]:
    """One stream."""
    sizes: dict[Size, int] = {"full": parts, "quick": parts // 2, "smoke": 10}
    if not interval_us:
        return {size: (wire.together(count), 1, count) for size, count in sizes.items()}
    return {size: (wire.paced(interval_us, count), 1, count) for size, count in sizes.items()}


def _busy_plans() -> dict[Size, tuple[str, int, int]]:
    """Forty streams that get their parts at the same moments, see `pace.brake`."""
    sizes: dict[Size, tuple[int, int]] = {"full": (40, 51), "quick": (40, 26), "smoke": (3, 4)}
    return {
        size: (wire.paced(8_000, parts), streams, streams * (parts - 1))
        for size, (streams, parts) in sizes.items()
    }


def _call_plans(count: int) -> dict[Size, tuple[str, int, int]]:
    counts: dict[Size, int] = {"full": count, "quick": max(1, count // 3), "smoke": 2}
    return {size: ("bench", number, number) for size, number in counts.items()}


_ROUNDS: dict[Size, int] = {"full": 11, "quick": 3, "smoke": 1}
_FEW: dict[Size, int] = {"full": 3, "quick": 1, "smoke": 1}

_CALL = "chat('bench', [{{'role': 'user', 'content': 'Hi'}}])"
_FLOOR_CALL = """
import msgspec, urllib3
class Message(msgspec.Struct):
    role: str
    content: str
class Chat(msgspec.Struct):
    message: Message
body = msgspec.json.encode({{'model': 'bench', 'messages': [], 'stream': False}})
answer = urllib3.PoolManager().request('POST', '{url}/api/chat', body=body)
msgspec.json.decode(answer.data, type=Chat)
"""
_FLOOR_ASYNC_CALL = """
import asyncio, aiohttp, msgspec
class Message(msgspec.Struct):
    role: str
    content: str
class Chat(msgspec.Struct):
    message: Message
body = msgspec.json.encode({{'model': 'bench', 'messages': [], 'stream': False}})
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post('{url}/api/chat', data=body) as answer:
            msgspec.json.decode(await answer.read(), type=Chat)
asyncio.run(main())
"""


def _first_call(package: str) -> str:
    return f"import {package}; {package}.Client('{{url}}').{_CALL}"


def _first_async_call(package: str) -> str:
    return (
        f"import asyncio, {package}\n"
        f"async def main(): await {package}.AsyncClient('{{url}}').{_CALL}\n"
        "asyncio.run(main())"
    )


ROWS: tuple[Work | Cold | Memory, ...] = (
    Work(
        "async stream, one write per token",
        "async_streams",
        _busy_plans(),
        "µs/token",
        {"ollama": Target(1 / 5), "floor": Target(1.4)},
        _ROUNDS,
    ),
    Work(
        "sync stream, one write per token",
        "sync_streams",
        _busy_plans(),
        "µs/token",
        {"ollama": Target(1 / 3), "floor": Target(1.4)},
        _ROUNDS,
    ),
    Work(
        "async stream, tokens arriving together",
        "async_stream",
        _stream_plans(20_000),
        "µs/token",
        {},
        _ROUNDS,
    ),
    Work(
        "sync stream, tokens arriving together",
        "sync_stream",
        _stream_plans(20_000),
        "µs/token",
        {},
        _ROUNDS,
    ),
    Work(
        "async stream, asleep 1 ms before each token",
        "async_stream",
        _stream_plans(300, interval_us=1_000),
        "µs/token",
        {},
        _ROUNDS,
    ),
    Work(
        "sync stream, asleep 1 ms before each token",
        "sync_stream",
        _stream_plans(300, interval_us=1_000),
        "µs/token",
        {},
        _ROUNDS,
    ),
    Work(
        "small call, sync",
        "sync_calls",
        _call_plans(300),
        "µs/call",
        {"ollama": Target(1 / 2), "floor": Target(1.5)},
        _ROUNDS,
    ),
    Work(
        "small call, async",
        "async_calls",
        _call_plans(300),
        "µs/call",
        {"ollama": Target(1 / 4), "floor": Target(1.5)},
        _ROUNDS,
    ),
    Work(
        f"embeddings {wire.VECTORS} x {wire.DIMENSIONS} as lists",
        "embed_lists",
        _call_plans(6),
        "ms/call",
        {"ollama": Target(1 / 4), "floor": Target(1.1)},
        _ROUNDS,
    ),
    Work(
        f"embeddings {wire.VECTORS} x {wire.DIMENSIONS} as array",
        "embed_array",
        _call_plans(12),
        "ms/call",
        {"ollama": Target(1 / 20), "floor": Target(1.3)},
        _ROUNDS,
    ),
    Work(
        "500 streams at once, async",
        "many_streams",
        {
            "full": (wire.paced(50_000, 30), 500, 15_000),
            "quick": (wire.paced(50_000, 10), 500, 5_000),
            "smoke": (wire.paced(1_000, 3), 5, 15),
        },
        "tokens/CPU s",
        {"ollama": Target(4, more_is_better=True), "floor": Target(0.7, more_is_better=True)},
        _FEW,
    ),
    Work(
        "all governance on, small call (floor: arriero without)",
        "governed_calls",
        _call_plans(300),
        "µs/call",
        {"floor": Target(30, is_added=True)},
        _ROUNDS,
    ),
    Work(
        "all governance on, stream (floor: arriero without)",
        "governed_stream",
        _stream_plans(20_000),
        "µs/token",
        {"floor": Target(0.3, is_added=True)},
        _ROUNDS,
    ),
    Work(
        "audit log on, small call (floor: arriero without)",
        "audited_calls",
        _call_plans(300),
        "µs/call",
        {"floor": Target(None, is_added=True)},
        _ROUNDS,
    ),
    Work(
        "egress and content policy on, small call (floor: arriero without)",
        "guarded_calls",
        _call_plans(300),
        "µs/call",
        {"floor": Target(None, is_added=True)},
        _ROUNDS,
    ),
    Work(
        "OpenTelemetry on, small call (floor: arriero without)",
        "traced_calls",
        _call_plans(300),
        "µs/call",
        {"floor": Target(None, is_added=True)},
        _ROUNDS,
    ),
    Cold(
        "import",
        {
            "arriero": "import arriero",
            "ollama": "import ollama",
            "floor": "import msgspec, urllib3",
        },
        {"ollama": Target(1 / 10)},
    ),
    Cold(
        "import, client, first call, sync",
        {
            "arriero": _first_call("arriero"),
            "ollama": _first_call("ollama"),
            "floor": _FLOOR_CALL,
        },
        {"ollama": Target(1 / 2)},
    ),
    Cold(
        "import, client, first call, async",
        {
            "arriero": _first_async_call("arriero"),
            "ollama": _first_async_call("ollama"),
            "floor": _FLOOR_ASYNC_CALL,
        },
        {"ollama": Target(1 / 2)},
    ),
    Memory(
        "memory, 100 000 to 1 000 000 parts of a chat",
        "sync_stream",
        {"full": (100_000, 1_000_000), "quick": (10_000, 100_000), "smoke": (10, 20)},
    ),
    Memory(
        "memory, 100 000 to 1 000 000 steps of a pull",
        "pull",
        {"full": (100_000, 1_000_000), "quick": (10_000, 100_000), "smoke": (10, 20)},
    ),
)
