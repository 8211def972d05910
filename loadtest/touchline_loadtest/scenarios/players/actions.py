"""The most actions that one server accepts: players act as fast as it acknowledges, and Kafka must have all of it.

The limit is measured in the same run: aiokafka's idempotent producer alone, in a process on the same core, with the
same records and as many of them unacknowledged.
"""

import asyncio
import statistics

import msgspec

from touchline_loadtest.measure.actions.findings import LogFindings
from touchline_loadtest.measure.actions.server import ActionServer, action_server
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import percentile_ms
from touchline_loadtest.measure.kafka_topics import new_topic
from touchline_loadtest.measure.measurement import Measurement, Start
from touchline_loadtest.measure.processes import module_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.trust import trust_notes

NAME = "actions"
WARM_UP_S = 2.0


class Sizes(msgspec.Struct, frozen=True):
    """500 players, each with 8 unacknowledged actions of 100 bytes."""

    clients: int = 500
    unacked: int = 8
    data_bytes: int = 100
    seconds: float = 10.0
    runs: int = 3


class _Run(msgspec.Struct, frozen=True):
    """``ours.deliveries`` is the number of acknowledged actions."""

    ours: Measurement
    latencies_ns: list[int]
    log: LogFindings
    alone_hz: float

    @property
    def rate_hz(self) -> float:
        return self.ours.deliveries / self.ours.wall_s


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    runs = []
    for number in range(sizes.runs):
        bench.say(f"{NAME}: run {number + 1} of {sizes.runs}")
        runs.append(await _run_once(bench, sizes))
    latencies_ns = [latency for one in runs for latency in one.latencies_ns]
    return Result(
        scenario=NAME,
        rows=[
            Row("acknowledged actions/s", statistics.median(one.rate_hz for one in runs), "/s", Bound(">=", 10_000)),
            Row("aiokafka's producer alone", statistics.median(one.alone_hz for one in runs), "/s"),
            Row("ours / producer alone", statistics.median(one.rate_hz / one.alone_hz for one in runs), ""),
            Row("action to ack, p50", percentile_ms(latencies_ns, 50), "ms"),
            Row("server's CPU per action", statistics.median(one.ours.cpu_us for one in runs), "us"),
            Row("server's core in use", max(one.ours.core_percent for one in runs), "%"),
            Row("actions in Kafka", sum(one.log.actions for one in runs), ""),
            Row("acknowledged but not in Kafka", sum(one.log.missing for one in runs), "", Bound("=", 0)),
            Row("in Kafka twice, out of order, or never sent", sum(one.log.wrong for one in runs), "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"each player acts again as soon as fewer than {sizes.unacked} of its actions wait for their acks; the "
            "server's limits for one player are lifted; the broker shares the clients' core where it is pinned there",
            "the producer alone (acks=all, idempotent, no linger) has as many unacknowledged records; the broker "
            "limits both, so the ratio says more than the rates",
            "all actions of the measured time and of the warm-up were acknowledged, and are looked up in Kafka",
            *trust_notes(*(one.ours for one in runs)),
        ],
    )


async def _run_once(bench: Bench, sizes: Sizes) -> _Run:
    async with action_server(bench, sizes.data_bytes) as server:
        await server.players.connect(sizes.clients)
        measured, latencies_ns = await _measure(server, sizes)
        return _Run(measured, latencies_ns, await server.check_log(), await _produce_alone(bench, sizes))


async def _measure(server: ActionServer, sizes: Sizes) -> tuple[Measurement, list[int]]:
    players = server.players
    players.keep_acting(sizes.unacked)
    await asyncio.sleep(WARM_UP_S)
    players.clear_latencies()
    acked = players.acked
    start = await Start.now(server.process)
    await asyncio.sleep(sizes.seconds)
    measured = await start.finish(players.acked - acked)
    latencies_ns = players.latencies_ns
    players.keep_acting(0)
    await players.until_answered()
    return measured, latencies_ns


async def _produce_alone(bench: Bench, sizes: Sizes) -> float:
    """How many records a second are acknowledged to the producer alone."""
    assert bench.kafka is not None  # noqa: S101 - the registry checks that
    async with new_topic(bench.kafka, 8) as topic:
        arguments = ["touchline_loadtest.baselines.producer", bench.kafka, topic]
        sizes_text = [str(sizes.clients), str(sizes.unacked), str(sizes.data_bytes)]
        async with module_process([*arguments, *sizes_text], bench.cores.server) as process:
            await process.ask(str(WARM_UP_S).encode())
            return float(await process.ask(str(sizes.seconds).encode()))
