"""Faults into errors."""

from __future__ import annotations

import pytest

from arriero._core.failures import described, error_of_fault
from arriero._core.http import Fault, FaultKind
from arriero.errors import (
    ArrieroError,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Phase,
    ProtocolError,
)
from arriero.settings import Timeouts

LIMITS = Timeouts(connect_s=1, first_token_s=10, idle_s=5, total_s=20)


@pytest.mark.parametrize(
    ("kind", "cls", "retryable"),
    [
        ("connect", ConnectFailed, True),
        ("lost", ConnectionLost, False),
        ("protocol", ProtocolError, False),
        ("closed", ClientClosed, False),
    ],
)
def test_each_kind_of_fault_has_its_error(
    kind: FaultKind, cls: type[ArrieroError], retryable: bool
) -> None:
    """The class says what happened, `phase` how far the call got."""
    error = error_of_fault(Fault(kind, "send", "why"), LIMITS, spent_s=0, streaming=False)

    assert type(error) is cls
    assert (error.phase, str(error), error.retryable) == ("send", "why", retryable)


@pytest.mark.parametrize(
    ("phase", "spent_s", "streaming", "limits", "budget", "limit_s"),
    [
        ("connect", 1, False, LIMITS, "connect_s", 1),
        ("head", 10, False, LIMITS, "first_token_s", 10),
        ("body", 10, False, LIMITS, "first_token_s", 10),
        ("body", 10, True, LIMITS, "idle_s", 5),
        ("body", 20, True, LIMITS, "total_s", 20),
        ("connect", 20, False, LIMITS, "total_s", 20),
        ("head", 19.999, False, LIMITS, "total_s", 20),
        ("connect", 1, False, Timeouts(connect_s=5, first_token_s=1), "first_token_s", 1),
        ("connect", 5, False, Timeouts(connect_s=5, first_token_s=None), "connect_s", 5),
        ("connect", 7, False, Timeouts(connect_s=None, first_token_s=7), "first_token_s", 7),
        ("head", 7, False, Timeouts(first_token_s=None), "first_token_s", 0),
    ],
)
def test_a_timeout_names_the_budget_that_ran_out(
    phase: Phase, spent_s: float, streaming: bool, limits: Timeouts, budget: str, limit_s: float
) -> None:
    """Of several budgets the one that ended the call is named, with its value."""
    error = error_of_fault(
        Fault("timeout", phase, "slow"), limits, spent_s=spent_s, streaming=streaming
    )

    assert isinstance(error, DeadlineExceeded)
    assert (error.budget, error.limit_s) == (budget, limit_s)
    assert error.retryable is (budget == "connect_s")
    assert error.phase == phase


def test_described_says_which_call() -> None:
    """An error names call, host and attempts once they are known."""
    error = described(ConnectFailed("refused"), call="GET /x", host="http://h:1", attempts=2)

    assert str(error) == "GET /x (http://h:1): refused"
    assert error.attempts == 2


@pytest.mark.parametrize(
    ("phase", "streaming", "said"),
    [
        ("connect", False, "connect_s=1 ran out in phase 'connect': all 2 connections are in use"),
        ("send", False, "first_token_s=10 ran out in phase 'send': the server stopped reading"),
        ("head", False, "first_token_s=10 ran out in phase 'head': the server took the request"),
        ("body", False, "first_token_s=10 ran out in phase 'body': the answer was still coming"),
        ("body", True, "idle_s=5 ran out in phase 'body': the server stopped in the middle"),
    ],
)
def test_a_deadline_says_which_setting_and_what_was_waited_for(
    phase: Phase, streaming: bool, said: str
) -> None:
    """Enough to know what to look at, and what to change."""
    limits = Timeouts(connect_s=1, first_token_s=10, idle_s=5)
    fault = Fault("timeout", phase, "all 2 connections are in use")
    error = error_of_fault(fault, limits, spent_s=9, streaming=streaming)
    assert str(error).startswith(said)
    described(error, call="POST /api/chat", host="http://h:1", attempts=1)
    assert str(error).startswith(f"POST /api/chat (http://h:1): {said}")


def test_a_call_without_a_host_has_no_empty_brackets() -> None:
    """What never left the client's own queue went nowhere."""
    error = described(DeadlineExceeded("total_s", 1), call="GET /x", host="", attempts=0)
    assert str(error) == "GET /x: total_s=1 ran out in phase 'prepare'"


def test_another_server_that_is_not_there_is_named() -> None:
    """Of a token server or a registry it does not help to start Ollama."""
    refused = Fault("connect", "connect", "Connection refused")
    error = error_of_fault(
        refused, LIMITS, spent_s=0, streaming=False, other="https://login.internal:443/token"
    )
    assert str(error) == (
        "Connection refused: nothing listens at https://login.internal:443/token;"
        " see whether that is its address, and it runs"
    )


def test_a_server_that_is_not_there_says_what_to_start() -> None:
    """The first failure everybody meets names its remedy; other causes stand alone."""
    refused = Fault("connect", "connect", "Connection refused")
    unknown = Fault("connect", "connect", "name not found")
    stranger = Fault(
        "connect", "connect", "certificate not accepted: unable to get local issuer certificate"
    )

    assert "'ollama serve' or 'arriero serve'" in str(
        error_of_fault(refused, LIMITS, spent_s=0, streaming=False)
    )
    assert str(error_of_fault(stranger, LIMITS, spent_s=0, streaming=False)).endswith(
        "local issuer certificate: if it is the right server, name its authority with Tls(ca=...),"
        " or in SSL_CERT_FILE"
    )
    plain = Fault("connect", "connect", "tls: wrong version number")
    assert str(error_of_fault(plain, LIMITS, spent_s=0, streaming=False)).endswith(
        "it may speak plain HTTP there; its URL then begins with http://"
    )
    assert str(error_of_fault(unknown, LIMITS, spent_s=0, streaming=False)) == "name not found"
