"""A trace across Kafka, a node, a collector and both SDKs, by the snippets of docs/tracing.md."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import touchline
from edge.players import AUTH, token
from js.package import WITH_NODE
from support.kafka_broker import KafkaBroker
from support.node_fixture import DEADLINE_S, RunningNode, running_node
from support.otlp import Collector, ReceivedSpan, collecting
from support.waiting import eventually
from touchline import actions
from touchline_server.config.tables import ActionsSettings, FeedSettings, VerdictsSettings

GUIDE = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text("utf-8")
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OF_THE_PAGE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PAGE = """
import { connect } from "%(package)s/dist/index.js";
const connection = connect("%(url)s", { token: "%(token)s" });
const traceparent = "%(traceparent)s";
const show = (data, traceparent) => console.log(JSON.stringify([data, traceparent]));
"""


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


class PythonClient:
    """The functions of the guide, whose spans are kept."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._names: dict[str, Any] = {}
        exec(compile(snippet("python"), "tracing.md", "exec"), self._names)
        self._names["tracer"] = provider.get_tracer("my-game")
        self.tap, self.show = self._names["tap"], self._names["show"]

    def ids(self, name: str) -> tuple[str, str, str]:
        """The trace, the span and its parent, of the span of that name."""
        (span,) = [span for span in self._exporter.get_finished_spans() if span.name == name]
        parent = "" if span.parent is None else f"{span.parent.span_id:016x}"
        assert span.context is not None
        return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


@contextlib.asynccontextmanager
async def page(package: Path, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program with the guide's lines of TypeScript, which are JavaScript too."""
    values = {"package": package, "url": url, "token": token("bob"), "traceparent": OF_THE_PAGE}
    program = PAGE % values + snippet("ts")
    process = await asyncio.create_subprocess_exec(
        WITH_NODE, "node", "--input-type=module", "-e", program, stdout=-1, env=os.environ
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def traced_node(kafka: KafkaBroker, name: str) -> AsyncIterator[RunningNode]:
    topics = {part: f"{part}-{name}" for part in ("match", "actions", "verdicts")}
    for topic in topics.values():
        await kafka.create(topic)
    async with running_node(
        url=f"kafka://{kafka.address}",
        feeds={"match": FeedSettings(topic=topics["match"])},
        actions=ActionsSettings(topic=topics["actions"]),
        verdicts=VerdictsSettings(topic=topics["verdicts"]),
        auth=AUTH,
    ) as node:
        yield node


async def produce(kafka: KafkaBroker, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address)
    await producer.start()
    try:
        headers = [("traceparent", SAMPLED.encode())]
        await producer.send_and_wait(topic, b'"Goal"', b"15946", headers=headers)
    finally:
        await producer.stop()


async def sent_by(collector: Collector, parent: str) -> ReceivedSpan:
    return await collector.until(lambda span: span.kind == "producer" and span.parent == parent)


async def test_a_trace_goes_from_a_producer_to_both_sdks_and_from_them_to_readers_of_actions(
    kafka: KafkaBroker, package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = tmp_path.name.replace("_", "-")
    python = PythonClient()
    async with (
        asyncio.timeout(DEADLINE_S),
        collecting() as collector,
        contextlib.AsyncExitStack() as running,
    ):
        collector.environment(monkeypatch)
        node = await running.enter_async_context(traced_node(kafka, name))
        client = await running.enter_async_context(touchline.connect(node.url, token=token("ada"), proxy=False))
        subscription = await client.subscribe("match:15946").joined()
        process = await running.enter_async_context(page(package, node.url))
        await python.tap(client)
        settings = node.node.settings
        group = {"group": f"traces-{name}", "topic": settings.actions.topic, "start": "beginning"}
        acted: dict[str, actions.Action] = {}
        async with actions.read(f"kafka://{kafka.address}", **group) as reader:  # type: ignore[arg-type]
            while len(acted) < 2:
                action = await anext(reader)
                acted[action.player] = action
        await eventually(lambda: node.node.viewers("match:15946") == 2)
        await produce(kafka, settings.feeds["match"].topic)
        event = await anext(subscription)
        python.show(event)
        assert process.stdout is not None
        data, traceparent = json.loads(await process.stdout.readline())
        flush = await collector.until(lambda span: span.kind == "consumer")
        of_python = await sent_by(collector, python.ids("tap")[1])
        of_page = await sent_by(collector, OF_THE_PAGE[36:52])
    assert (event.data, event.traceparent) == (data, traceparent) == ("Goal", SAMPLED)
    assert python.ids("show")[::2] == (SAMPLED[3:35], SAMPLED[36:52])
    assert (flush.trace_id, flush.parent) == (SAMPLED[3:35], SAMPLED[36:52])
    assert flush.name == f"process match-{name}"
    assert flush.attributes["messaging.system"] == "kafka"
    assert of_python.trace_id == python.ids("tap")[0]
    assert of_python.is_in(acted["ada"].traceparent)
    assert of_page.trace_id == OF_THE_PAGE[3:35]
    assert of_page.is_in(acted["bob"].traceparent)
    assert of_page.attributes["messaging.kafka.offset"] == acted["bob"].offset
