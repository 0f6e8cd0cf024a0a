"""Circuits: when a host is left alone, and when it is asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arriero._core.policy.breaker import Circuit, Circuits
from arriero.settings import Breaker

BREAKER = Breaker(failures=3, share=0.5, window_s=30, open_s=15, probes=1)


def circuit(*outcomes: bool, breaker: Breaker = BREAKER, now_s: float = 0.0) -> Circuit:
    """Give a circuit that has seen calls end, all at `now_s`."""
    made = Circuit(breaker)
    for is_good in outcomes:
        settle(made, is_good, now_s)
    return made


def settle(made: Circuit, is_good: bool | None, now_s: float) -> None:
    """Have a call let through and end."""
    entry = made.ask(now_s)
    assert entry is not None
    made.settle(entry, is_good, now_s)


def test_enough_failures_open_it() -> None:
    """The third in the window does; until then every call goes."""
    assert circuit(False, False).state == "closed"
    opened = circuit(False, False, False)
    assert opened.state == "open"
    assert (opened.ask(5.0), opened.rest_s(5.0)) == (None, 10.0)


def test_failures_among_many_good_calls_do_not() -> None:
    """At least half of all calls must have failed."""
    assert circuit(*[True] * 4, *[False] * 3).state == "closed"
    assert circuit(*[True] * 3, *[False] * 3).state == "open"


def test_old_failures_are_forgotten() -> None:
    """Only the window counts."""
    made = circuit(False, False, now_s=0.0)
    settle(made, False, 31.0)
    assert made.state == "closed"


def test_a_good_probe_closes_it() -> None:
    """After its rest one call goes through; others wait for what becomes of it."""
    made = circuit(False, False, False)
    entry = made.ask(15.0)
    assert entry is not None
    assert made.state == "half-open"
    assert made.ask(15.0) is None

    made.settle(entry, True, 16.0)
    assert made.state == "closed"
    assert made.ask(16.0) is not None


def test_a_bad_probe_opens_it_again() -> None:
    """And the rest begins anew."""
    made = circuit(False, False, False)
    entry = made.ask(15.0)
    assert entry is not None
    made.settle(entry, False, 20.0)
    assert (made.state, made.ask(20.0), made.rest_s(20.0)) == ("open", None, 15.0)


def test_a_probe_that_says_nothing_makes_room_for_another() -> None:
    """One that was cancelled is no verdict, and must not block the circuit for ever."""
    made = circuit(False, False, False)
    entry = made.ask(15.0)
    assert entry is not None
    made.settle(entry, None, 16.0)
    assert made.ask(16.0) is not None


def test_late_news_of_before_is_ignored() -> None:
    """A call sent before it opened does not close it, nor count as its probe."""
    made = Circuit(BREAKER)
    late = made.ask(0.0)
    assert late is not None
    for _ in range(3):
        settle(made, False, 0.0)
    probe = made.ask(15.0)
    assert probe is not None
    made.settle(late, True, 15.0)
    assert made.state == "half-open"
    made.settle(probe, True, 15.0)
    assert made.state == "closed"


def test_models_nobody_asks_for_any_more_are_forgotten() -> None:
    """Names may come from outside; what is open, or has failed lately, stays."""
    circuits = Circuits(Breaker(failures=1, share=1.0, window_s=30, open_s=1e9))
    for number in range(5000):
        entry, _ = circuits.ask(
            ("host", f"bad {number % 3}" if number < 3 else f"m{number}"), number
        )
        if entry is not None and number < 3:
            circuits.settle(("host", f"bad {number}"), entry, is_good=False, now_s=number)
    states = circuits.states()
    assert len(states) <= 1000
    assert [state for (_, name), state in states.items() if name.startswith("bad")] == ["open"] * 3
    circuits.settle(("host", "m3"), 0, is_good=False, now_s=5000)  # ended after it was forgotten
    assert ("host", "m3") not in circuits.states()


def test_changes_are_told_by_host_and_model() -> None:
    """One circuit for each; what opened is told once."""
    circuits = Circuits(Breaker(failures=1))
    for model in ("a", "b"):
        entry, _ = circuits.ask(("h", model), 0.0)
        assert entry is not None
        circuits.settle(("h", model), entry, model == "b", 0.0)
    assert list(circuits.changes) == [(("h", "a"), "open")]
    assert circuits.states() == {("h", "a"): "open", ("h", "b"): "closed"}


@given(st.lists(st.tuples(st.sampled_from(["ask", "good", "bad", "none"]), st.floats(0, 20))))
def test_no_more_probes_than_allowed_are_ever_under_way(steps: list[tuple[str, float]]) -> None:
    """Whatever happens, while it is not closed at most `probes` calls of its round are out."""
    made, now_s = Circuit(Breaker(failures=2, probes=2, open_s=10)), 0.0
    out: list[int] = []
    for step, pause_s in steps:
        now_s += pause_s
        if step == "ask":
            entry = made.ask(now_s)
            if entry is not None:
                out.append(entry)
        elif out:
            made.settle(out.pop(0), {"good": True, "bad": False, "none": None}[step], now_s)
        if made.state == "half-open":
            assert sum(entry == made._round for entry in out) <= 2
