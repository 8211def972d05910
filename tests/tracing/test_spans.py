"""Spans of a node, as a collector receives them; and collectors that are away, slow or wrong."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from http import HTTPStatus

import httpx
import pytest

from edge.logs import BreakableLog
from edge.players import AUTH, answer, loose_limits, player
from support.node_fixture import RunningNode, running_node
from support.otlp import collecting
from support.waiting import eventually
from touchline_protocol.messages import Action, Event
from touchline_server.tracing import otel
from touchline_server.tracing.open import open_tracer
from touchline_server.tracing.port import NoTracer

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = SAMPLED[3:35]
SPAN_ID = SAMPLED[36:52]
UNSAMPLED = SAMPLED[:-1] + "0"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing is off, unless a test turns it on."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


async def publish(node: RunningNode, *traceparents: str, body: object = None, room: str = "score:1") -> int:
    """Publish over HTTP; returns the status."""
    headers = [("content-type", "application/json"), *(("traceparent", each) for each in traceparents)]
    url = f"http://127.0.0.1:{node.node.control_port}/v1/rooms/{room}/events"
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(url, content=json.dumps(body or {"data": 1}), headers=headers)
    return response.status_code


async def test_a_published_event_is_traced_to_the_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
        async with running_node() as node, node.client() as client, node.client() as other:
            await client.join("score:1")
            await other.join("score:1")
            assert await publish(node, SAMPLED) == 200
            event = await client.expect(Event)
            request = await collector.until(lambda span: span.kind == "server")
            flush = await collector.until(lambda span: span.kind == "consumer")
    assert request.name == "POST /v1/rooms/{room}/events"
    assert (request.trace_id, request.parent) == (TRACE_ID, SPAN_ID)
    assert request.attributes["http.response.status_code"] == 200
    assert request.is_in(event.traceparent)
    assert flush.name == "process score-events"
    assert (flush.trace_id, flush.parent) == (TRACE_ID, request.span_id)
    assert flush.attributes["touchline.clients"] == 2
    assert flush.attributes["messaging.kafka.offset"] == event.offset
    assert request.start_ns < flush.end_ns
    assert flush.start_ns <= flush.end_ns <= time.time_ns()
    assert flush.resource["service.name"] == "touchline"
    assert flush.resource["service.instance.id"] == "edge-1"
    assert flush.resource["deployment.environment.name"] == "test"


async def test_a_batch_is_one_trace_and_one_span_for_each_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch)
        async with running_node() as node, node.client() as client:
            await client.join("score:1")
            assert await publish(node, body={"events": [{"data": number} for number in range(100)]}) == 200
            events = [await client.expect(Event) for _ in range(100)]
            request = await collector.until(lambda span: span.kind == "server")
            await collector.until(lambda span: span.kind == "consumer")
        flushes = [span for span in collector.spans if span.kind == "consumer"]
    assert request.parent == ""
    assert all(request.is_in(event.traceparent) for event in events)
    assert sum(span.attributes["messaging.batch.message_count"] for span in flushes) == 100
    assert len(flushes) < 100


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="none"),
        pytest.param(("00-not-one-01",), id="invalid"),
        pytest.param((SAMPLED.upper(),), id="uppercase"),
        pytest.param((SAMPLED, SAMPLED), id="two"),
    ],
)
async def test_a_request_without_one_valid_traceparent_is_in_a_trace_of_its_own(
    headers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch)
        async with running_node() as node:
            assert await publish(node, *headers) == 200
            request = await collector.until(lambda span: span.kind == "server")
    assert request.parent == ""
    assert request.trace_id != TRACE_ID


async def test_a_refused_request_does_not_count_as_an_error_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch)
        async with running_node() as node:
            assert await publish(node, body={"data": None}) == 400
            span = await collector.until(lambda span: span.kind == "server")
    assert span.attributes["http.response.status_code"] == 400
    assert span.attributes["error.type"] == "null_without_key"
    assert not span.is_error


async def test_an_action_is_traced_until_the_log_has_it_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    log = BreakableLog()
    async with collecting() as collector:
        collector.environment(monkeypatch)
        async with running_node(log, auth=AUTH, actions=loose_limits()) as node, player(node) as (client, _):
            for number, traceparent in enumerate((SAMPLED, UNSAMPLED, None, SAMPLED.upper()), 1):
                await client.send(Action(id=number, room="score:1", kind="tap", traceparent=traceparent))
                assert await answer(client) == (number, "ack")
            sent = await collector.until(lambda span: span.kind == "producer")
            headers = [dict(record.headers).get("traceparent", b"").decode() for record in await log.records()]
            with log.appends_failing():
                await client.send(Action(id=5, room="score:1", kind="tap", traceparent=SAMPLED))
                assert await answer(client) == (5, "log_unavailable")
                failed = await collector.until(lambda span: span.is_error)
    assert sent.is_in(headers[0])
    assert headers[1:] == [UNSAMPLED, "", ""]
    assert sent.name == "send player-actions"
    assert (sent.trace_id, sent.parent) == (TRACE_ID, SPAN_ID)
    assert sent.attributes["messaging.system"] == "sqlite"
    assert sent.attributes["messaging.kafka.offset"] == 0
    assert failed.attributes["error.type"] == "log_unavailable"
    assert len([span for span in collector.spans if span.kind == "producer"]) == 2


async def test_without_variables_everything_is_passed_on_as_it_is() -> None:
    log = BreakableLog()
    async with running_node(log, auth=AUTH, actions=loose_limits()) as node, player(node) as (client, _):
        await client.join("score:1")
        assert await publish(node, SAMPLED) == 200
        assert (await client.expect(Event)).traceparent == SAMPLED
        await client.send(Action(id=1, room="score:1", kind="tap", traceparent=SAMPLED))
        assert await answer(client) == (1, "ack")
        (record,) = await log.records()
    assert dict(record.headers)["traceparent"] == SAMPLED.encode()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events about tracing that were logged, and everything that OpenTelemetry logged itself."""
    return [
        record.msg["event"] if isinstance(record.msg, dict) else record.name
        for record in caplog.records
        if record.name == "touchline.tracing" or record.name.startswith("opentelemetry")
    ]


async def test_a_collector_that_fails_is_reported_once_and_costs_no_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with collecting() as collector:
        collector.status = HTTPStatus.BAD_REQUEST
        collector.environment(monkeypatch)
        async with running_node() as node, node.client() as client:
            await client.join("score:1")
            for number in range(1, 4):
                assert await publish(node, SAMPLED) == 200
                await client.expect(Event)
                while collector.requests < number:  # noqa: ASYNC110 - a collector's thread
                    await asyncio.sleep(0.01)
            await eventually(lambda: "span_export_failed" in lines(caplog))
            assert lines(caplog) == ["span_export_failed"]
            collector.status = HTTPStatus.OK
            assert await publish(node, SAMPLED) == 200
            await eventually(lambda: "span_export_resumed" in lines(caplog))
    (failed,) = [record.msg for record in caplog.records if "span_export_failed" in str(record.msg)]
    assert "400" in str(failed)
    assert lines(caplog) == ["span_export_failed", "span_export_resumed"]


async def test_a_collector_that_never_answers_delays_nothing_but_the_end_and_that_by_little(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with collecting() as collector:
        collector.status = None
        collector.environment(monkeypatch)
        async with running_node() as node, node.client() as client:
            await client.join("score:1")
            for _ in range(3):
                assert await publish(node, SAMPLED) == 200
                await client.expect(Event)
            await eventually(lambda: collector.requests)
            began_s = time.monotonic()
        assert otel.STOP_S_MAX < time.monotonic() - began_s < otel.STOP_S_MAX + 20
        assert lines(caplog) == ["spans_left"]
    for thread in threading.enumerate():
        if thread.name.startswith("Otel"):
            await asyncio.to_thread(thread.join)


async def test_the_last_spans_are_exported_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        async with running_node() as node:
            assert await publish(node, SAMPLED) == 200
        assert [span.trace_id for span in collector.spans] == [TRACE_ID]


async def test_more_spans_than_may_be_recorded_pass_on_what_they_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "SPANS_PER_S_MAX", 50)
    async with collecting() as collector:
        collector.environment(monkeypatch)
        tracer = otel.OtelTracer("edge-1", "kafka")
        spans = [tracer.begin("send it", "producer", parent=SAMPLED, start_ns=time.time_ns()) for _ in range(5000)]
        for span in spans:
            span.end()
        recorded = {span.traceparent for span in spans if span.traceparent != SAMPLED}
        assert 50 <= len(recorded) < 5000
        await tracer.stop()
    assert {span.span_id for span in collector.spans} == {traceparent[36:52] for traceparent in recorded if traceparent}


async def test_a_sampler_that_records_nothing_leaves_every_traceparent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        collector.environment(monkeypatch, OTEL_TRACES_SAMPLER="always_off")
        async with running_node() as node, node.client() as client:
            await client.join("score:1")
            assert await publish(node, SAMPLED) == 200
            assert (await client.expect(Event)).traceparent == SAMPLED
            assert await publish(node) == 200
            assert (await client.expect(Event)).traceparent is None
    assert collector.spans == []


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin_of_the_moon"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1"},
    ],
    ids=str,
)
def test_wrong_variables_are_reported_and_turn_tracing_off(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert isinstance(open_tracer("edge-1", "sqlite://"), NoTracer)
    assert lines(caplog)[-1] == "tracing_unavailable"


def test_without_the_extra_tracing_is_off_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.delitem(sys.modules, "touchline_server.tracing.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    assert isinstance(open_tracer("edge-1", "sqlite://"), NoTracer)
    assert "touchline[otel]" in caplog.text


def test_nothing_of_opentelemetry_is_imported_unless_it_is_wanted() -> None:
    program = (
        "import sys; from touchline_server.tracing.open import open_tracer; open_tracer('edge-1', 'sqlite://'); "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, env=os.environ).returncode == 0
