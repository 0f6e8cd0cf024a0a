"""`Telemetry`: OpenTelemetry spans and metrics of a client's calls.

Names follow the conventions for generative AI; what they have no name for begins with
``arriero.``. Prompts and answers are never recorded.

Source: OpenTelemetry semantic conventions for generative AI, client spans and metrics.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from arriero._core.events import (
    BreakerChanged,
    CallEnded,
    CallStarted,
    Event,
    FirstRecord,
    Instrument,
    RecordsArrived,
    StreamOpened,
    TryEnded,
)
from arriero._version import __version__
from arriero.errors import MissingExtra, ResponseError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider, Observation
    from opentelemetry.trace import Span, TracerProvider

Beside: TypeAlias = Literal["yield", "keep"]

_OPERATIONS = {
    "/api/chat": "chat",
    "/api/generate": "text_completion",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
}
"""Calls that have a name in the conventions; the others have spans named by method and path."""

_INFERENCE = frozenset({*_OPERATIONS.values(), "generate_content"})

_SUPPRESSED = ("suppress_instrumentation", "suppress_language_model_instrumentation")
"""Keys by which instrumentors tell each other to keep still."""

_STATES = {"closed": 0, "half-open": 1, "open": 2}
"""The order in which it gets worse, so that an alarm may compare."""

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Buckets of the conventions for durations."""

TOKENS = tuple(4**power for power in range(14))
"""Buckets of the conventions for tokens: 1 to 67108864."""


class _Live:
    """What is remembered of a call under way."""

    __slots__ = ("attributes", "context", "has_metrics", "operation", "span", "token")

    def __init__(self, operation: str, attributes: dict[str, Any]) -> None:
        self.operation = operation
        self.attributes = attributes
        self.span: Span | None = None
        self.has_metrics = True
        self.context: Any = None
        self.token: Any = None


class Telemetry(Instrument):
    """Spans and metrics, for ``Client(telemetry=...)``. May be shared by clients."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        propagate: bool = False,
        gaps: bool = False,
        beside: Beside = "yield",
    ) -> None:
        """Prepare spans and instruments.

        Args:
            tracer_provider: None takes the global one.
            meter_provider: None takes the global one.
            propagate: True sends ``traceparent`` and what else the global propagator has.
            gaps: True measures the pause between pieces of a stream.
            beside: If another instrumentor already tells of a call: ``yield`` makes no second
                span and no second `gen_ai` metrics; ``keep`` makes them all the same.

        Raises:
            MissingExtra: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry import context, metrics, trace
            from opentelemetry import propagate as propagation
        except ImportError as cause:
            raise MissingExtra(
                "telemetry: needs OpenTelemetry; install it with: pip install 'arriero[otel]'"
            ) from cause
        self.sees_records = gaps
        self._propagates = propagate
        self._yields = beside == "yield"
        self._states: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self._context, self._trace, self._propagation = context, trace, propagation
        self._tracer = trace.get_tracer("arriero", __version__, tracer_provider)
        self._make_instruments(metrics.get_meter("arriero", __version__, meter_provider))
        self._observation = metrics.Observation
        self._live: dict[int, _Live] = {}

    def _make_instruments(self, meter: Any) -> None:
        def seconds(name: str, about: str) -> Any:
            return meter.create_histogram(
                name, "s", about, explicit_bucket_boundaries_advisory=SECONDS
            )

        client = "gen_ai.client.operation"
        self._duration = seconds(f"{client}.duration", "Whole operations.")
        self._first = seconds(f"{client}.time_to_first_chunk", "Until the first record.")
        self._gap = seconds(f"{client}.time_per_output_chunk", "Between pieces of a stream.")
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of prompts and answers.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        self._waited = seconds("arriero.client.queue.wait", "Waiting in the client's own queue.")
        self._loaded = seconds("arriero.client.model.load", "Loading the model, by the server.")
        self._speed = meter.create_histogram(
            "arriero.client.output.speed", "{token}/s", "Tokens of an answer by the second."
        )
        self._retries = meter.create_counter("arriero.client.retries", "{try}", "Failed tries.")
        self._shared = meter.create_counter(
            "arriero.client.cache.hits", "{call}", "Answers that no server was asked for."
        )
        self._breaker = meter.create_counter(
            "arriero.client.breaker.changes", "{change}", "Circuits that changed their state."
        )
        meter.create_observable_gauge(
            "arriero.client.breaker.state",
            [self._circuits],
            "1",
            "Circuits that have been open: 0 closed, 1 half-open, 2 open.",
        )

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case CallStarted():
                self._began(event)
            case RecordsArrived():
                live = self._live.get(event.id)
                if live is not None and live.has_metrics:
                    self._gap.record(event.gap_s, live.attributes)
            case StreamOpened():
                self._let_go(self._live.get(event.id))
            case FirstRecord():
                self._first_record(event)
            case TryEnded():
                self._tried(event)
            case BreakerChanged():
                about = {"gen_ai.request.model": event.model, **_server(event.host)}
                self._breaker.add(1, {"arriero.breaker.state": event.state, **about})
                self._states[event.host, event.model] = _STATES[event.state], about
            case CallEnded():
                self._ended(event)
            case _:
                pass

    def _circuits(self, options: object) -> Iterator[Observation]:
        """Give the state of each circuit, to whoever collects."""
        for value, about in list(self._states.values()):
            yield self._observation(value, about)

    def headers(self, id: int) -> Mapping[str, str]:
        """Give ``traceparent`` if that is wanted."""
        if not self._propagates:
            return {}
        carrier: dict[str, str] = {}
        live = self._live.get(id)
        self._propagation.inject(carrier, None if live is None else live.context)
        return carrier

    def _began(self, event: CallStarted) -> None:
        path = event.call.partition(" ")[2]
        operation = _OPERATIONS.get(path, "")
        attributes: dict[str, Any] = {"gen_ai.provider.name": "ollama", **_server(event.host)}
        if operation:
            attributes["gen_ai.operation.name"] = operation
        if event.model:
            attributes["gen_ai.request.model"] = event.model
        live = self._live[event.id] = _Live(operation, attributes)
        if any(self._context.get_value(key) for key in _SUPPRESSED):
            live.has_metrics = False
            return
        if self._yields and operation and self._is_told_already(event, live):
            return
        name = f"{operation} {event.model}".strip() if operation else event.call
        live.span = self._tracer.start_span(
            name,
            kind=self._trace.SpanKind.CLIENT,
            attributes={**attributes, **_request(event)},
        )
        # Current while the request is made, so that spans of HTTP libraries are its children.
        live.context = self._trace.set_span_in_context(live.span)
        live.token = self._context.attach(live.context)

    def _is_told_already(self, event: CallStarted, live: _Live) -> bool:
        """Tell whether another instrumentor has made a span for this very call."""
        around: Any = self._trace.get_current_span()
        seen: Mapping[str, Any] = getattr(around, "attributes", None) or {}
        scope = str(getattr(getattr(around, "instrumentation_scope", None), "name", ""))
        is_inside = (
            seen.get("gen_ai.operation.name") in _INFERENCE
            or "llm.request.type" in seen
            or seen.get("openinference.span.kind") in ("LLM", "EMBEDDING")
            or scope == "openinference.instrumentation.ollama"  # names its kind at the end
        )
        if is_inside:
            live.has_metrics = scope.startswith("openinference")  # which makes none of its own
        elif event.is_traced:
            live.has_metrics = False
        return is_inside or event.is_traced

    def _let_go(self, live: _Live | None) -> None:
        """Make the caller's own span the current one again."""
        if live is None or live.token is None:
            return
        token, live.token = live.token, None
        if self._context.get_current() is live.context:  # else it is another task's
            self._context.detach(token)

    def _first_record(self, event: FirstRecord) -> None:
        live = self._live.get(event.id)
        if live is None:
            return
        if live.has_metrics and live.operation:
            self._first.record(event.after_s, live.attributes)
        if live.span is not None:
            live.span.set_attribute("gen_ai.response.time_to_first_chunk", event.after_s)

    def _tried(self, event: TryEnded) -> None:
        live = self._live.get(event.id)
        about = {"arriero.decision": event.decision, "error.type": _error_type(event.error)}
        self._retries.add(1, {**(live.attributes if live is not None else {}), **about})
        if live is not None and live.span is not None:
            live.span.add_event("arriero.try", {**about, "arriero.wait_s": event.wait_s})

    def _ended(self, event: CallEnded) -> None:
        live = self._live.pop(event.id, None)
        if live is None:
            return
        self._let_go(live)
        counted = _counted(event)
        try:
            self._measure(event, live, counted)
        finally:
            if live.span is not None:
                self._finish(event, live.span, counted)

    def _measure(self, event: CallEnded, live: _Live, counted: Mapping[str, float]) -> None:
        about = dict(live.attributes)
        model = getattr(event.response, "model", None)
        if isinstance(model, str) and model:
            about["gen_ai.response.model"] = model
        if event.queued_s:
            self._waited.record(event.queued_s, about)
        if event.source != "server":
            self._shared.add(1, {**about, "arriero.source": event.source})
        if "load_s" in counted:
            self._loaded.record(counted["load_s"], about)
        if "tokens_per_s" in counted:
            self._speed.record(counted["tokens_per_s"], about)
        if not live.has_metrics or not live.operation:
            return
        for kind in ("input", "output"):
            if kind in counted and event.source == "server":
                self._tokens.record(int(counted[kind]), {**about, "gen_ai.token.type": kind})
        if event.error is not None:
            about["error.type"] = _error_type(event.error)
        self._duration.record(event.spent_s, about)

    def _finish(self, event: CallEnded, span: Span, counted: Mapping[str, float]) -> None:
        reason = getattr(event.response, "done_reason", None)
        has_failed = event.error is not None and event.outcome == "failed"
        named = {
            "gen_ai.response.model": getattr(event.response, "model", None),
            "gen_ai.response.finish_reasons": (reason,) if reason else None,
            "gen_ai.usage.input_tokens": counted.get("input"),
            "gen_ai.usage.output_tokens": counted.get("output"),
            "arriero.tokens_per_s": counted.get("tokens_per_s"),
            "arriero.load_s": counted.get("load_s"),
            "arriero.queued_s": event.queued_s,
            "arriero.paced_s": event.paced_s,
            "arriero.tries": event.tries,
            "arriero.outcome": event.outcome,
            "arriero.source": event.source,
            "arriero.tenant": event.policy.tenant or None,
            "error.type": _error_type(event.error) if event.error and has_failed else None,
        }
        # Together: each one by itself costs a lock and a look at the span.
        span.set_attributes({name: value for name, value in named.items() if value is not None})
        if has_failed:
            # The class alone: texts of servers may quote the prompt.
            span.set_status(self._trace.StatusCode.ERROR, type(event.error).__name__)
        span.end()


@functools.lru_cache(64)
def _server(host: str) -> Mapping[str, Any]:
    parts = urlsplit(host)
    made: dict[str, Any] = {"server.address": parts.hostname or host}
    if parts.hostname:
        made["server.port"] = parts.port or (443 if parts.scheme == "https" else 80)
    return made


_OPTIONS = {
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_k": ("top_k", float),
    "seed": ("seed", int),
    "num_predict": ("max_tokens", int),
    "frequency_penalty": ("frequency_penalty", float),
    "presence_penalty": ("presence_penalty", float),
}


def _request(event: CallStarted) -> dict[str, Any]:
    """Give what was asked for, without what was said."""
    made: dict[str, Any] = {}
    if event.is_stream:
        made["gen_ai.request.stream"] = True
    body = event.body or {}
    options = body.get("options")
    if isinstance(options, Mapping):
        for name, (attribute, kind) in _OPTIONS.items():
            value = cast("Mapping[str, object]", options).get(name)
            if isinstance(value, int | float):
                made[f"gen_ai.request.{attribute}"] = kind(value)
    if body.get("format"):
        made["gen_ai.output.type"] = "json"
    return made


def _error_type(error: Exception) -> str:
    """Give a word of which there are few."""
    status = error.status_code if isinstance(error, ResponseError) else -1
    return type(error).__name__ if status == -1 else str(status)


def _counted(event: CallEnded) -> dict[str, float]:
    """Give what the server counted."""
    answer, made = event.response, dict[str, float]()
    tokens_in = getattr(answer, "prompt_eval_count", None)
    tokens_out = getattr(answer, "eval_count", None)
    if tokens_in is not None:
        made["input"] = tokens_in
    if tokens_out is not None:
        made["output"] = tokens_out
        writing_ns = getattr(answer, "eval_duration", None)
        if tokens_out and writing_ns:
            made["tokens_per_s"] = tokens_out * 1e9 / writing_ns
    load_ns = getattr(answer, "load_duration", None)
    if load_ns is not None:
        made["load_s"] = load_ns / 1e9
    return made
