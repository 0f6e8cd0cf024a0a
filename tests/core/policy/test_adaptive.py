"""The adaptive limit: it finds what a server can bear, and stays there."""

from __future__ import annotations

import heapq

import pytest

from arriero._core.policy.adaptive import AdaptiveLimit


def test_it_doubles_until_the_first_refusal() -> None:
    """Each success adds one while nothing is known of the server."""
    limit = AdaptiveLimit(None)
    for _ in range(4):
        limit.succeeded(in_flight=int(limit.value))
    assert limit.value == 8.0


def test_an_unused_limit_does_not_grow() -> None:
    """Success with room to spare says nothing of what the server could bear."""
    limit = AdaptiveLimit(None)
    limit.succeeded(in_flight=3)
    assert limit.value == 4.0


def test_it_never_exceeds_the_users_limit_nor_falls_below_one() -> None:
    """Between one and `concurrency`."""
    limit = AdaptiveLimit(5)
    for _ in range(9):
        limit.succeeded(in_flight=5)
    assert limit.value == 5.0
    for now_s in range(9):
        limit.refused(sent_s=now_s, others=0, now_s=now_s)
    assert limit.value == 1.0


def test_a_refusal_tells_how_many_there_is_room_for() -> None:
    """Those in flight besides the refused one were taken."""
    limit = AdaptiveLimit(None)
    limit.value = 12.0
    limit.refused(sent_s=0.0, others=9, now_s=1.0)
    assert limit.value == 9.0


def test_refused_again_it_falls_by_multiplication() -> None:
    """If even the lowered limit is too high, others use the server too."""
    limit = AdaptiveLimit(None)
    limit.value = 10.0
    limit.refused(sent_s=0.0, others=10, now_s=1.0)
    limit.refused(sent_s=2.0, others=9, now_s=3.0)
    assert limit.value == 8.0
    limit.refused(sent_s=4.0, others=9, now_s=5.0)
    assert limit.value == 6.4


def test_waiting_inside_the_server_lowers_it_once_a_round() -> None:
    """Calls that were under way together tell the same news."""
    limit = AdaptiveLimit(None)
    limit.value = 10.0
    for _ in range(5):
        limit.waited(sent_s=0.0, now_s=5.0)
    assert limit.value == 8.0
    limit.waited(sent_s=6.0, now_s=9.0)
    assert limit.value == 6.4


@pytest.mark.parametrize("room", [1, 2, 4, 7, 16, 40])
def test_it_settles_at_what_the_server_can_bear(room: int) -> None:
    """Simulated: at least nine tenths of the best throughput, few refusals.

    The server takes `room` calls of a second each and refuses the others at once; 200 callers
    always want to be next, and come back a little after a refusal.
    """
    limit, now_s, served, refused = AdaptiveLimit(None), 0.0, 0, 0
    done: list[tuple[float, float]] = []  # end, beginning
    while now_s < 300.0:
        while len(done) < int(limit.value):
            if len(done) < room:
                heapq.heappush(done, (now_s + 1.0, now_s))
            else:
                refused += 1
                limit.refused(sent_s=now_s, others=len(done), now_s=now_s)
        now_s, _ = done[0]
        limit.succeeded(in_flight=len(done))
        heapq.heappop(done)
        served += 1
    assert served >= 0.9 * 300 * room
    assert refused <= 0.1 * served
