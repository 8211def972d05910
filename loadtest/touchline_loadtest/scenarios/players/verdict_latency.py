"""Time from the action that breaks a rule until the player is disconnected: through Kafka, cheatwatch and Kafka."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.clients.players import until_answered
from touchline_loadtest.measure.actions.server import ActionServer, action_server
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import MS, percentile_ms
from touchline_loadtest.measure.measurement import Start
from touchline_loadtest.measure.processes import module_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.trust import trust_notes
from touchline_loadtest.publish.publisher import FEED
from touchline_protocol.codes import BANNED

NAME = "verdict-latency"
ALLOWED = 5
"""Actions that break no rule; the next one does, no matter when."""
VERDICT_TIMEOUT_S = 10.0
FIRST_TIMEOUT_S = 60.0
"""Nobody is caught until cheatwatch has joined its consumer group."""
FIRST_WAIT_S = 0.5
WARM_UP_BOTS = 5
RULES = """\
[feeds.{feed}]
topic = "{events}"
[rules.rate]
class = "touchline_cheatwatch.rules.rate:Rate"
rate_max = 0.001
burst_max = {allowed}
verdict = "ban"
"""


class Sizes(msgspec.Struct, frozen=True):
    """200 bots, one after the other."""

    clients: int = 200
    data_bytes: int = 100


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    bench.say(NAME)
    async with action_server(bench, sizes.data_bytes) as server, _cheatwatch(bench, server):
        await _until_it_watches(server)
        for number in range(WARM_UP_BOTS):
            await _until_banned(server, f"warm-up-{number}")
        start = await Start.now(server.process)
        times_ns = [await _until_banned(server, f"bot-{number}") for number in range(sizes.clients)]
        measured = await start.finish(sizes.clients)
    return Result(
        scenario=NAME,
        rows=[
            Row("action to closed connection, p50", percentile_ms(times_ns, 50), "ms", Bound("<=", 50)),
            Row("action to closed connection, p99", percentile_ms(times_ns, 99), "ms", Bound("<=", 250)),
            Row("slowest", max(times_ns) * MS, "ms"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"each bot sends {ALLOWED} actions and waits for their acks, then one more, which breaks a rule; counted "
            f"from just before that one is written to its socket until a close frame with {BANNED.code} has been read",
            "cheatwatch is a process of its own, which shares the clients' core with the broker where it is pinned",
            *trust_notes(measured),
        ],
    )


@contextlib.asynccontextmanager
async def _cheatwatch(bench: Bench, server: ActionServer) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES.format(feed=FEED, events=server.events_topic, allowed=ALLOWED), encoding="utf-8")
        arguments = ["touchline_cheatwatch", "watch", "--log", f"kafka://{server.kafka}", "--rules", str(rules)]
        topics = ["--actions-topic", server.actions_topic, "--verdicts-topic", server.verdicts_topic]
        group = ["--group", server.actions_topic]  # not the default group: it would share partitions with a real one
        async with module_process(
            [*arguments, *topics, *group, "--json"], bench.cores.clients, python=bench.server.python
        ):
            yield


async def _until_it_watches(server: ActionServer) -> None:
    """Wait until a bot is caught that does not stop acting."""
    bot = await server.players.connect_one("first")
    deadline_s = time.monotonic() + FIRST_TIMEOUT_S
    while bot.closed is None:
        if time.monotonic() > deadline_s:
            raise ClientsFailed(f"cheatwatch caught nobody in {FIRST_TIMEOUT_S:g} s")
        bot.act()
        await asyncio.sleep(FIRST_WAIT_S)


async def _until_banned(server: ActionServer, name: str) -> int:
    """The nanoseconds from the action that breaks a rule until the connection is closed."""
    bot = await server.players.connect_one(name)
    bot.act(ALLOWED)
    await until_answered([bot])
    began_ns = time.monotonic_ns()
    bot.act()
    try:
        async with asyncio.timeout(VERDICT_TIMEOUT_S):
            await bot.gone.wait()
    except TimeoutError:
        bot.vanish()
        raise ClientsFailed(f"{name} was not caught in {VERDICT_TIMEOUT_S:g} s") from None
    if bot.closed is None or bot.closed.code != BANNED.code:
        raise ClientsFailed(f"{name} was not banned: {bot.lost}")
    return bot.closed.at_ns - began_ns
