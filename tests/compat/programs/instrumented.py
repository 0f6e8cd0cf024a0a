"""Both known instrumentors around `import ollama`, with telemetry of our own beside them."""

import json
import sys

from arriero import Telemetry, compat

compat.install(metadata=True)

import ollama  # noqa: E402
from openinference.instrumentation.ollama import OllamaInstrumentor as OpenInference  # noqa: E402
from opentelemetry.instrumentation.ollama import OllamaInstrumentor as Traceloop  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)

instrumentor = {"traceloop": Traceloop, "openinference": OpenInference}.get(sys.argv[2])
spans = InMemorySpanExporter()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
meters = MeterProvider([InMemoryMetricReader()])
if instrumentor is not None:
    instrumentor().instrument(tracer_provider=tracers, meter_provider=meters, skip_dep_check=True)
telemetry = Telemetry(tracer_provider=tracers, meter_provider=meters)
with ollama.Client(sys.argv[1], telemetry=telemetry) as client:
    HI = [{"role": "user", "content": "hi"}]
    client.chat("mini", HI, options={"temperature": 0})
    for _ in client.chat("mini", HI, stream=True, options={"temperature": 0}):
        pass
print(json.dumps([span.instrumentation_scope.name for span in spans.get_finished_spans()]))
meters.shutdown()
