"""The way of a call to a kept answer, or to one that another call is fetching."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from arriero._core.answers.memory import MemoryStore
from arriero._core.answers.state import Answers
from arriero._core.api.inference import generate
from arriero._core.api.models import copy, list_models
from arriero._core.effects import Consult, Effect, Operation, ReadBody, Send, Wait
from arriero._core.governed import whole
from arriero._core.progress import Target
from arriero.errors import (
    BadRequest,
    CallCancelled,
    ConnectionLost,
    DeadlineExceeded,
    ServerBusy,
    StreamIncomplete,
)
from arriero.settings import Cache, CallPolicy, Limits, Retry, Timeouts

from ..script import Clock, head, lost, target

CALL = generate("m", "hi", options={"seed": 1})
GOOD = b'{"model":"m","response":"x","done":true,"done_reason":"stop","eval_count":3}'
TOTAL = Timeouts(total_s=7)


def tags(digest: str, **more: str) -> bytes:
    """Give a list of one model."""
    return msgspec.json.encode({"models": [{"model": "m:latest", "digest": digest, **more}]})


class Server:
    """Runs operations against a server that always answers the same."""

    def __init__(self, cache: Cache | None = None, **policies: Any) -> None:
        self.clock = Clock()
        self.cache = cache or Cache()
        store = MemoryStore(self.cache, self.clock) if self.cache.max_entries else None
        self.answers = Answers(self.cache, store)
        self.target: Target = target(clock=self.clock, answers=self.answers, **policies)
        self.digest, self.answer = "d1", GOOD
        self.sent: list[str] = []

    def begin(self, call: Any = CALL, policy: CallPolicy | None = None) -> Running:
        """Start a call, up to the first thing it waits for."""
        return Running(self, whole(call, self.target, policy))

    def ask(self, call: Any = CALL, policy: CallPolicy | None = None) -> Any:
        """Make a call from beginning to end."""
        return self.begin(call, policy).finish()

    @property
    def counts(self) -> Any:
        """What the statistics say."""
        return self.target.governor.statistics().cache


class Running:
    """One call, step by step; what is no matter of the test is answered at once."""

    def __init__(self, server: Server, operation: Operation[Any]) -> None:
        self._server = server
        self._operation = operation
        self.result: Any = None
        self.effect: Effect | None = None
        self._step(lambda: next(operation))

    def _step(self, resume: Any) -> None:
        try:
            self.effect = resume()
            while isinstance(self.effect, Consult):
                self.effect = self._operation.send(self.effect.function(*self.effect.arguments))
        except StopIteration as done:
            self.result, self.effect = done.value, None

    def resume(self, value: Any = None) -> None:
        """Give the effect's result."""
        self._step(lambda: self._operation.send(value))

    def fail(self, error: Exception) -> None:
        """Have the effect fail."""
        self._step(lambda: self._operation.throw(error))

    def finish(self) -> Any:
        """Let the server answer all there is, and give the result."""
        while self.effect is not None:
            if isinstance(self.effect, Send):
                url = self.effect.request.url
                self._server.sent.append(url.rpartition("/")[2])
                self.resume(head())
            else:
                assert isinstance(self.effect, ReadBody), self.effect
                is_list = self._server.sent[-1] == "tags"
                self.resume(tags(self._server.digest) if is_list else self._server.answer)
        return self.result

    def cancel(self) -> None:
        """Give it up, as a driver does whose task was cancelled."""
        self._operation.close()


# Kept answers


def test_the_second_call_is_answered_from_the_cache() -> None:
    """Nothing is sent, the answer is another object, and says where it came from."""
    server = Server()

    first, second = server.ask(), server.ask()

    assert server.sent == ["tags", "generate"]
    assert first == second
    assert first is not second
    assert (first.http.source, second.http.source) == ("server", "cache")
    assert second.http.from_cache
    assert (server.counts.hits, server.counts.misses, server.counts.stores) == (1, 1, 1)
    assert server.target.governor.statistics().answer_tokens == 3  # counted once


def test_another_digest_under_the_same_name_is_another_model() -> None:
    """After `digest_ttl_s` the list is asked for again; a moved tag is a miss."""
    server = Server()
    server.ask()
    server.digest, server.answer = "d2", GOOD.replace(b'"x"', b'"y"')

    assert server.ask().response == "x"  # not noticed yet
    server.clock.now_s += server.cache.digest_ttl_s
    assert server.ask().response == "y"
    assert server.sent == ["tags", "generate", "tags", "generate"]


def test_a_change_through_this_client_is_noticed_at_once() -> None:
    """Copy, create, pull and delete: the names are looked up anew."""
    server = Server()
    server.ask()
    server.ask(copy("a", "m"))
    server.digest = "d2"

    server.ask()
    assert server.sent == ["tags", "generate", "copy", "tags", "generate"]


def test_an_answer_under_way_while_models_change_is_not_kept() -> None:
    """It may be the new model's, under the old one's digest."""
    server = Server()
    server.ask(list_models())
    call = server.begin()
    server.ask(copy("a", "m"))

    call.finish()
    assert server.counts.stores == 0


def test_a_change_counts_from_its_beginning() -> None:
    """The server may have made it long before it says so."""
    server = Server()
    server.ask(list_models())
    call, change = server.begin(), server.begin(copy("a", "m"))

    call.finish()
    assert server.counts.stores == 0
    change.cancel()


def test_a_list_that_the_caller_asked_for_is_enough() -> None:
    """It is not asked for twice."""
    server = Server()
    server.ask(list_models())
    server.ask()
    assert server.sent == ["tags", "generate"]


def test_without_a_digest_nothing_is_kept() -> None:
    """The list fails, and the call goes on; it is not asked for again at once."""
    server = Server()
    call = server.begin()
    call.fail(lost())
    assert call.finish().response == "x"
    assert server.ask().http.source == "server"
    assert (server.sent, server.counts.stores) == (["generate", "generate"], 0)


def test_a_model_that_is_not_listed_yet_is_looked_for_again() -> None:
    """It answered, so the list is old; one that is never listed is not asked for each time."""
    server = Server()
    new = generate("new", "hi", options={"seed": 1})
    server.ask(new)
    server.ask(new)
    server.ask(new)
    assert server.sent == ["tags", "generate", "tags", "generate", "generate"]


@pytest.mark.parametrize("name", ["m:cloud", "m:1b-cloud"])
def test_a_model_that_runs_elsewhere_is_never_kept(name: str) -> None:
    """Its digest says nothing of what answers."""
    server = Server()
    call = generate(name, "hi", options={"seed": 1})
    server.ask(call)
    assert server.ask(call).http.source == "server"


def test_a_call_may_stay_out_of_it() -> None:
    """``off`` neither takes nor gives, ``refresh`` only gives."""
    server = Server()
    server.ask(policy=CallPolicy(cache="off"))
    assert server.sent == ["generate"]
    server.ask()
    server.answer = GOOD.replace(b'"x"', b'"y"')
    assert server.ask(policy=CallPolicy(cache="refresh")).response == "y"
    assert server.ask().response == "y"


def test_tenants_do_not_share() -> None:
    """Else the speed of an answer tells one what another asked."""
    server = Server()
    server.ask(policy=CallPolicy(tenant="a"))
    assert server.ask(policy=CallPolicy(tenant="b")).http.source == "server"
    assert server.ask(policy=CallPolicy(tenant="a")).http.source == "cache"


def test_an_answer_that_breaks_is_not_kept() -> None:
    """The error is raised, and the next call is sent."""
    server = Server()
    server.answer = b'{"response":"x","done":false}'
    with pytest.raises(StreamIncomplete):
        server.ask()
    assert server.counts.stores == 0


def test_memory_is_bounded_by_entries_bytes_and_age() -> None:
    """What was used longest ago goes first."""
    clock = Clock()
    store = MemoryStore(Cache(max_entries=2, max_bytes=10, ttl_s=5), clock)
    for key in "ab":
        store.put(key, b"1234")
    assert store.get("a") == b"1234"
    store.put("c", b"1234")
    assert (store.get("b"), store.evictions, store.size()) == (None, 1, (2, 8))
    store.put("d", b"123456789")
    assert (store.size(), store.evictions) == ((1, 9), 3)
    store.put("e", b"12345678901")
    assert store.get("e") is None
    clock.now_s += 5
    assert store.get("d") is None
    assert store.size() == (0, 0)


# Calls at the same time


def flying(retry: Retry | None = None) -> Server:
    """Give a server whose clients only coalesce."""
    return Server(Cache.coalescing())


def test_calls_at_the_same_time_share_one_request() -> None:
    """One is sent, the other waits and gets a copy of its own."""
    server = flying()
    leader, follower = server.begin(), server.begin()
    assert isinstance(leader.effect, Send)
    assert isinstance(follower.effect, Wait)

    first = leader.finish()
    assert follower.effect.ticket.is_ready
    follower.resume()

    assert follower.result == first
    assert follower.result is not first
    assert follower.result.http.source == "shared"
    assert (server.sent, server.counts.coalesced) == (["generate"], 1)
    assert server.ask().http.source == "server"  # nothing is kept


def test_an_answer_that_was_shared_is_kept_once() -> None:
    """By the call that brought it."""
    server = Server()
    server.ask(list_models())  # so that neither has to ask which model it is
    leader, follower = server.begin(), server.begin()
    assert isinstance(follower.effect, Wait)
    leader.finish()
    follower.resume()

    assert follower.result.http.source == "shared"
    assert server.counts.stores == 1
    assert server.ask().http.source == "cache"


def test_a_cancelled_leader_hands_over() -> None:
    """A follower leads; nobody fails for another's change of mind."""
    server = flying()
    leader, second, third = server.begin(), server.begin(), server.begin()

    leader.cancel()
    second.resume()
    third.resume()

    assert isinstance(second.effect, Send)
    assert isinstance(third.effect, Wait)
    second.finish()
    third.resume()
    assert third.result.response == "x"


def test_a_cancelled_follower_leaves_the_others_alone() -> None:
    """And nothing is left of it."""
    server = flying()
    leader, follower = server.begin(), server.begin()
    follower.cancel()
    assert leader.finish().response == "x"
    assert len(server.answers.flights) == 0


def test_each_has_its_own_deadline() -> None:
    """A follower gives up by its own budget, while the leader goes on."""
    server = flying()
    leader = server.begin()
    follower = server.begin(generate("m", "hi", options={"seed": 1}, timeouts=TOTAL))
    assert isinstance(follower.effect, Wait)
    assert follower.effect.until == server.clock.now_s + 7
    server.clock.now_s += 7

    with pytest.raises(DeadlineExceeded) as caught:
        follower.resume()
    assert (caught.value.budget, caught.value.phase) == ("total_s", "queue")
    assert leader.finish().response == "x"


@pytest.mark.parametrize(
    ("limits", "patience_s"),
    [
        (None, 10),
        (Limits(requests_per_s=1), 10),  # no queue
        (Limits(concurrency=1, max_wait_s=3), 13),
        (Limits(concurrency=1, max_wait_s=None), None),
    ],
)
def test_a_follower_waits_as_long_as_the_leader_may(
    limits: Limits | None, patience_s: float | None
) -> None:
    """For a place in the queue, and for the first token."""
    server = Server(Cache.coalescing(), limits=limits)
    leader = server.begin()
    follower = server.begin()
    assert isinstance(follower.effect, Wait)
    now_s = server.clock.now_s
    assert follower.effect.until == (None if patience_s is None else now_s + patience_s)
    follower.cancel()
    leader.finish()


def test_what_the_server_says_of_the_request_is_said_to_all() -> None:
    """As errors of their own, not one object in many threads."""
    server = flying()
    leader, follower = server.begin(), server.begin()
    leader.resume(head(400))
    with pytest.raises(BadRequest) as first:
        leader.resume(b'{"error":"no"}')
    with pytest.raises(BadRequest) as second:
        follower.resume()
    assert str(first.value) == str(second.value)
    assert first.value is not second.value


def test_what_became_of_the_connection_is_told_if_both_try_as_often() -> None:
    """Else the next one leads, as it may have more tries."""
    server = flying()
    leader, same = server.begin(), server.begin()
    patient = server.begin(policy=CallPolicy(retry=Retry(attempts=5)))
    with pytest.raises(ConnectionLost):
        leader.fail(lost())
    with pytest.raises(ConnectionLost):
        same.resume()
    patient.resume()
    assert isinstance(patient.effect, Send)


def test_a_leaders_own_deadline_is_its_own() -> None:
    """The next one leads."""
    server = flying()
    leader = server.begin(generate("m", "hi", options={"seed": 1}, timeouts=TOTAL))
    follower = server.begin()
    from arriero._core.http import Fault

    with pytest.raises(DeadlineExceeded):
        leader.fail(Fault("timeout", "head", "late"))
    follower.resume()
    assert isinstance(follower.effect, Send)


def test_each_makes_its_own_object_of_the_text() -> None:
    """One whose class does not fit fails alone."""
    server = flying()
    server.answer = GOOD.replace(b'"x"', b'"[1]"')
    calls = [generate("m", "hi", options={"seed": 1}, format=list[int]) for _ in "ab"]
    leader, follower = (server.begin(call) for call in calls)
    assert leader.finish().parsed == [1]
    follower.resume()
    assert follower.result.parsed == [1]
    assert follower.result.parsed is not leader.result.parsed


def test_errors_that_are_told_are_real_copies() -> None:
    """With all they carry."""
    import copy as copying

    error = ServerBusy("full", 503)
    error.retry_after_s = 3.0
    again = copying.copy(error)
    assert (str(again), again.retry_after_s) == (str(error), 3.0)
    assert isinstance(copying.copy(CallCancelled("x")), CallCancelled)
