"""Spans and metrics: names, nesting, and no second span beside another instrumentor."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider

from arriero import Breaker, BreakerChanged, CallPolicy, Client, Retry, Telemetry
from arriero.errors import ServerBusy, ServerError
from arriero.observe.telemetry import SECONDS, TOKENS
from arriero.testing import ScriptedServer, faults

from .seen import Seen

HI = [{"role": "user", "content": "canary question"}]


def test_a_chat_is_one_span_by_the_conventions(seen: Seen, server: ScriptedServer) -> None:
    """Names, numbers, host; child of the caller's span; no content."""
    tracer = seen.tracers.get_tracer("caller")
    with tracer.start_as_current_span("caller") as caller:
        with Client(server.url, telemetry=seen.telemetry()) as client:
            client.chat("m", HI, options={"temperature": 0, "seed": 3})
    span = seen.spans[0]
    about = dict(span.attributes)
    assert span.name == "chat m"
    assert span.parent.span_id == caller.get_span_context().span_id
    assert about["gen_ai.operation.name"] == "chat"
    assert about["gen_ai.provider.name"] == "ollama"
    assert about["gen_ai.request.model"] == "m"
    assert (about["gen_ai.request.temperature"], about["gen_ai.request.seed"]) == (0.0, 3)
    assert about["gen_ai.usage.output_tokens"] > 0
    assert about["gen_ai.response.finish_reasons"] == ("stop",)
    assert f"{about['server.address']}:{about['server.port']}" in server.url
    assert "canary" not in span.to_json()


def test_metrics_have_the_buckets_of_the_conventions(seen: Seen, server: ScriptedServer) -> None:
    """Duration and tokens, in and out."""
    with Client(server.url, telemetry=seen.telemetry()) as client:
        client.chat("m", HI)
    (duration,) = seen.points("gen_ai.client.operation.duration")
    assert duration.explicit_bounds == SECONDS
    tokens = seen.points("gen_ai.client.token.usage")
    assert {one.attributes["gen_ai.token.type"] for one in tokens} == {"input", "output"}
    assert tokens[0].explicit_bounds == TOKENS


def test_a_stream_is_measured_and_its_span_ends_with_it(seen: Seen, server: ScriptedServer) -> None:
    """First record, gaps if wanted; the caller's own context is back while it reads."""
    with Client(server.url, telemetry=seen.telemetry(gaps=True)) as client:
        before = context.get_current()
        with client.chat("m", HI, stream=True) as stream:
            for _ in stream:
                assert context.get_current() is before
    assert "gen_ai.response.time_to_first_chunk" in seen.spans[0].attributes
    assert seen.points("gen_ai.client.operation.time_to_first_chunk")


def test_failures_and_retries_are_told(seen: Seen, server: ScriptedServer) -> None:
    """The error's class, not its text; each failed try."""
    server.fault(faults.Status(503), path="/api/chat")
    with Client(server.url, telemetry=seen.telemetry()) as client:
        from arriero import Retry

        with pytest.raises(ServerBusy):
            client.chat("m", HI, policy=CallPolicy(retry=Retry.none()))
    (span,) = seen.spans
    assert span.attributes["error.type"] == "503"
    assert span.status.description == "ServerBusy"
    assert seen.points("arriero.client.retries")[0].value == 1


def test_traceparent_is_sent_only_if_asked_for(seen: Seen, server: ScriptedServer) -> None:
    """And names our span as the parent."""
    for propagate in (False, True):
        with Client(server.url, telemetry=seen.telemetry(propagate=propagate)) as client:
            client.chat("m", HI)
    plain, told = server.requests[-2:]
    span_id = format(seen.spans[1].context.span_id, "016x")
    assert "traceparent" not in plain.headers
    assert span_id in told.headers["traceparent"]


def test_suppressed_instrumentation_is_silent(seen: Seen, server: ScriptedServer) -> None:
    """As instrumentors have agreed on."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        with Client(server.url, telemetry=seen.telemetry()) as client:
            client.chat("m", HI)
    finally:
        context.detach(token)
    assert not seen.spans
    assert not seen.points("gen_ai.client.operation.duration")


@pytest.mark.parametrize(
    ("scope", "attribute", "metrics"),
    [
        ("openinference.instrumentation.ollama", {"openinference.span.kind": "LLM"}, 1),
        ("langchain", {"gen_ai.operation.name": "chat"}, 0),
    ],
)
def test_a_span_that_tells_of_the_call_already_is_enough(
    seen: Seen, server: ScriptedServer, scope: str, attribute: dict[str, str], metrics: int
) -> None:
    """No second span inside one of another instrumentor, unless it is wanted."""
    tracer = seen.tracers.get_tracer(scope)
    with tracer.start_as_current_span("outer", attributes=attribute):
        with Client(server.url, telemetry=seen.telemetry()) as client:
            client.chat("m", HI)
    assert [span.name for span in seen.spans] == ["outer"]
    assert len(seen.points("gen_ai.client.operation.duration")) == metrics
    with tracer.start_as_current_span("outer", attributes=attribute):
        with Client(server.url, telemetry=seen.telemetry(beside="keep")) as client:
            client.chat("m", HI)
    assert [span.name for span in seen.spans] == ["outer", "chat m", "outer"]


def test_an_agent_around_the_call_is_no_second_span(seen: Seen, server: ScriptedServer) -> None:
    """Its span tells of more than this call."""
    tracer = seen.tracers.get_tracer("agents")
    about = {"gen_ai.operation.name": "invoke_agent"}
    with tracer.start_as_current_span("agent", attributes=about):
        with Client(server.url, telemetry=seen.telemetry()) as client:
            client.chat("m", HI)
    assert [span.name for span in seen.spans] == ["chat m", "agent"]


def test_the_prometheus_exporter_shows_them(server: ScriptedServer) -> None:
    """The real exporter, read as Prometheus reads it."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import REGISTRY, generate_latest

    meters = MeterProvider([PrometheusMetricReader()])
    try:
        with Client(server.url, telemetry=Telemetry(meter_provider=meters)) as client:
            client.chat("m", HI)
        text = generate_latest(REGISTRY).decode()
    finally:
        meters.shutdown()
    assert "gen_ai_client_operation_duration_seconds_bucket" in text
    assert 'gen_ai_request_model="m"' in text


def test_a_breaker_that_opens_shows_in_the_gauge(seen: Seen, server: ScriptedServer) -> None:
    """By host and model; one that never opened is not there."""
    server.fault(faults.Status(500), path="/api/chat")
    arguments: dict[str, Any] = {"breaker": Breaker(failures=1), "retry": Retry.none()}
    with Client(server.url, telemetry=seen.telemetry(), **arguments) as client:
        client.generate("well", "hi")
        assert not seen.points("arriero.client.breaker.state")
        with pytest.raises(ServerError):
            client.chat("m", HI)
        (point,) = seen.points("arriero.client.breaker.state")
    assert point.value == 2
    assert point.attributes["gen_ai.request.model"] == "m"
    assert f"{point.attributes['server.address']}:{point.attributes['server.port']}" in server.url


def test_the_gauge_follows_each_circuit(seen: Seen) -> None:
    """Whenever it is read: 0 closed, 1 half-open, 2 open; beside the counter of changes."""
    telemetry, read = seen.telemetry(), []
    for state in ("open", "half-open", "closed"):
        telemetry(BreakerChanged("http://h:1", "m", state))  # type: ignore[arg-type]  # they are
        telemetry(BreakerChanged("http://h:1", "n", "open"))
        points = seen.points("arriero.client.breaker.state")
        read.append({point.attributes["gen_ai.request.model"]: point.value for point in points})
    assert read == [{"m": 2, "n": 2}, {"m": 1, "n": 2}, {"m": 0, "n": 2}]
    assert sum(point.value for point in seen.points("arriero.client.breaker.changes")) == 6
