"""Time from a player's action to its ack, which is sent once Kafka has the action, at a steady rate."""

import msgspec

from touchline_loadtest.measure.actions.server import action_server
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import MS, percentile_ms
from touchline_loadtest.measure.measurement import Start
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.trust import trust_notes

NAME = "action-latency"
WARM_UP_S = 2.0
"""The first records of the broker and the producer take many times as long as those that follow."""


class Sizes(msgspec.Struct, frozen=True):
    """500 players, who send 1,000 actions of 100 bytes a second together."""

    clients: int = 500
    rate_hz: float = 1000.0
    data_bytes: int = 100
    seconds: float = 10.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    warm_up, count = (max(1, round(sizes.rate_hz * seconds)) for seconds in (WARM_UP_S, sizes.seconds))
    async with action_server(bench, sizes.data_bytes) as server:
        players = server.players
        await players.connect(sizes.clients)
        await players.act_steadily(sizes.rate_hz, warm_up)
        await players.until_answered()
        players.clear_latencies()
        start = await Start.now(server.process)
        late_s = await players.act_steadily(sizes.rate_hz, count)
        await players.until_answered()
        measured = await start.finish(count, late_s)
        latencies_ns = players.latencies_ns
        log = await server.check_log()
    return Result(
        scenario=NAME,
        rows=[
            Row("action to ack, p50", percentile_ms(latencies_ns, 50), "ms", Bound("<=", 10)),
            Row("action to ack, p99", percentile_ms(latencies_ns, 99), "ms"),
            Row("slowest", max(latencies_ns) * MS, "ms"),
            Row("server's CPU per action", measured.cpu_us, "us"),
            Row("acknowledged but not in Kafka", log.missing, "", Bound("=", 0)),
            Row("in Kafka twice, out of order, or never sent", log.wrong, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "counted from just before an action is written to its socket until its ack has been read; the players act "
            f"in turn, and the process that makes them act was up to {late_s * 1000:.1f} ms late; the broker shares "
            "their core where it is pinned there",
            *trust_notes(measured),
        ],
    )
