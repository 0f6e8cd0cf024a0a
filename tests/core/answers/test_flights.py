"""Who leads and who waits."""

from __future__ import annotations

from arriero._core.answers.flights import Flights


def test_the_first_one_leads() -> None:
    """The others get the same flight, until it has ended."""
    flights = Flights()
    flight, leads = flights.join("a")
    assert leads
    assert flights.join("a") == (flight, False)
    assert flights.join("b")[1]
    flights.end("a", flight)
    assert flights.join("a")[1]


def test_who_comes_at_the_last_moment_does_not_wait_for_ever() -> None:
    """The flight ended between finding it and waiting for it."""
    flights = Flights()
    flight, _ = flights.join("a")
    late, _ = flights.join("a")
    flights.end("a", flight)
    assert late.wait().is_ready


def test_the_end_of_a_flight_ends_no_other() -> None:
    """A second `end` comes when another has begun."""
    flights = Flights()
    first, _ = flights.join("a")
    flights.end("a", first)
    second, _ = flights.join("a")
    flights.end("a", first)
    assert flights.join("a") == (second, False)


def test_everyone_who_still_waits_is_woken() -> None:
    """Once; who left is not."""
    woken: list[str] = []
    flight, _ = Flights().join("a")
    stays, leaves = flight.wait(), flight.wait()
    stays.listen(lambda: woken.append("stays"))
    leaves.listen(lambda: woken.append("leaves"))
    flight.leave(leaves)
    flight.end()
    assert woken == ["stays"]
