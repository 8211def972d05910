"""From a player's action to its ack, once it is in Kafka: how long that takes at a steady rate."""

import msgspec

from touchline_loadtest.acted import compared, touchline_acted
from touchline_loadtest.measuring import MS, Bench, Start, percentile_ms, trust_notes
from touchline_loadtest.results import Bound, Result, Row

NAME = "action-latency"
WARM_UP_S = 2.0
"""The broker's and the producer's first records take many times as long as those that follow."""


class Sizes(msgspec.Struct, frozen=True):
    """500 players, who do 1,000 actions of 100 bytes a second together."""

    clients: int = 500
    rate_hz: float = 1000.0
    data_bytes: int = 100
    seconds: float = 10.0


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    warm_up, count = (max(1, round(sizes.rate_hz * seconds)) for seconds in (WARM_UP_S, sizes.seconds))
    async with touchline_acted(bench, sizes.data_bytes) as acted:
        players = acted.players
        await players.connect(sizes.clients)
        await players.act_steadily(sizes.rate_hz, warm_up)
        await players.until_answered()
        players.forget()
        start = await Start.now(acted.server)
        late_s = await players.act_steadily(sizes.rate_hz, count)
        await players.until_answered()
        measured = await start.measured(count, late_s)
        latencies_ns = players.latencies_ns
        log = await compared(acted)
    return Result(
        scenario=NAME,
        rows=[
            Row("action to ack, p50", percentile_ms(latencies_ns, 50), "ms", Bound("<=", 10)),
            Row("action to ack, p99", percentile_ms(latencies_ns, 99), "ms"),
            Row("slowest", max(latencies_ns) * MS, "ms"),
            Row("server's CPU per action", measured.cpu_us, "us"),
            Row("acknowledged, and not in Kafka", log.missing, "", Bound("=", 0)),
            Row("in Kafka twice or out of order", log.disordered, "", Bound("=", 0)),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "counted from just before an action is written to its socket until its ack was read; the players act in "
            f"turn, and the one who makes them act was up to {late_s * 1000:.1f} ms late; the broker shares their core "
            "where it is pinned there",
            *trust_notes(measured),
        ],
    )
