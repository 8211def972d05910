"""Spans of a server of several processes, whose last ones are exported when it ends."""

from pathlib import Path

import pytest

from e2e.test_workers import received, watching
from e2e.worker_server import worker_server
from support.kafka_broker import KafkaBroker
from support.otlp import collecting

LONGER_THAN_THE_TEST_MS = "3600000"


@pytest.mark.long
async def test_supervisor_and_workers_export_their_own_spans_at_the_end(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with collecting() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": LONGER_THAN_THE_TEST_MS,
            "OTEL_SERVICE_NAME": "live",
        }
        async with worker_server(kafka, tmp_path, **variables) as server:
            async with watching(server, 12) as clients:
                server.publish(1)
                events = [await received(client) for client in clients]
            await server.stop()
        assert len(server.lines("tracing_on")) == 3
    (request,) = [span for span in collector.spans if span.kind == "server"]
    flushes = [span for span in collector.spans if span.kind == "consumer"]
    assert all(request.is_in(event["traceparent"]) for event in events)
    assert request.resource["service.instance.id"] == "edge"
    assert {flush.resource["service.instance.id"] for flush in flushes} == {"edge/1", "edge/2"}
    assert {flush.parent for flush in flushes} == {request.span_id}
    assert sum(flush.attributes["touchline.clients"] for flush in flushes) == 12
    assert {span.resource["service.name"] for span in collector.spans} == {"live"}
