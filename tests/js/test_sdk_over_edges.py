"""The TypeScript SDK in Chromium, and two edges over Kafka in processes of their own, which are drained and killed."""

import random
import signal
import uuid
from itertools import product
from pathlib import Path

import pytest
from playwright.async_api import Browser

from js.sdk_page import SdkPage
from support.browser import open_page
from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.kafka_truth import read_log
from support.log_harness import Raw
from support.processes import EdgeProcess
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.relay import Relay

pytestmark = pytest.mark.long

ROOM = "score:1"
ENDS = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
"""How an edge is ended, and its exit code."""
CONFIG = """
drain_s = 2
[feeds.score]
topic = "{topic}"
[verdicts]
topic = "verdicts-{topic}"
"""


async def test_a_page_goes_on_at_the_other_edge_when_its_own_is_drained_or_killed(
    browser: Browser, site: str, kafka: KafkaBroker, tmp_path: Path
) -> None:
    harness = KafkaHarness(kafka)
    topic = await harness.create_topic(2, f"scores-{uuid.uuid4().hex[:12]}")
    config = tmp_path / "touchline.toml"
    config.write_text(CONFIG.format(topic=topic))
    ports = free_ports(4)
    edges = [
        EdgeProcess(f"edge-{n}", f"kafka://{kafka.address}", config, (ports[2 * n], ports[2 * n + 1])) for n in range(2)
    ]

    async def publish(data: str, key: str) -> int:
        (position,) = await harness.append(topic, [Raw(b"1", data.encode(), [("key", key.encode())])])
        return position.offset

    try:
        async with (
            open_page(browser) as page,
            Relay([edge.port for edge in edges], random.Random(1)).running() as relay,
        ):
            client = SdkPage(page, is_timed=True)
            await page.goto(site)
            for edge in edges:
                await edge.start()
            await client.connect(relay.port)
            await client.follow(ROOM)
            await client.until_joined(ROOM)
            for number, (end, edge) in enumerate(product(ENDS, edges)):
                await publish(f'{{"home": {number}}}', "score")
                assert await edge.stop(end) == ENDS[end]
                await client.until_offset(ROOM, await publish(f'{{"n": {number}}}', f"key-{number}"))
                await edge.start()
            log = await read_log(kafka.address, {"score": topic})
            assert check_room(log.room(ROOM), [await client.settle(ROOM)]) == []
            reasons = {status["reason"]["code"] for status in client.statuses if status.get("reason")}
            assert {"goaway", "abnormal"} <= reasons, reasons
    finally:
        for edge in edges:
            await edge.stop(signal.SIGKILL)
