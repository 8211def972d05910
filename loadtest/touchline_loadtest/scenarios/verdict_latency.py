"""From the action that breaks a rule to the player's closed connection: through Kafka, cheatwatch and Kafka again."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from touchline_loadtest.acted import Acted, touchline_acted
from touchline_loadtest.clients import CrowdFailed
from touchline_loadtest.kafka import FEED
from touchline_loadtest.measuring import MS, Bench, Start, percentile_ms, trust_notes
from touchline_loadtest.players import until_answered
from touchline_loadtest.processes import running
from touchline_loadtest.results import Bound, Result, Row
from touchline_protocol.codes import BANNED

NAME = "verdict-latency"
ALLOWED = 5
"""Actions that break no rule; one more does, whenever it is."""
VERDICT_TIMEOUT_S = 10.0
FIRST_TIMEOUT_S = 60.0
"""Until cheatwatch has joined its group, nobody is caught."""
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
    async with touchline_acted(bench, sizes.data_bytes) as acted, _cheatwatch(bench, acted):
        await _until_it_watches(acted)
        for number in range(WARM_UP_BOTS):
            await _until_banned(acted, f"warm-up-{number}")
        start = await Start.now(acted.server)
        times_ns = [await _until_banned(acted, f"bot-{number}") for number in range(sizes.clients)]
        measured = await start.measured(sizes.clients)
    return Result(
        scenario=NAME,
        rows=[
            Row("action to closed connection, p50", percentile_ms(times_ns, 50), "ms", Bound("<=", 50)),
            Row("action to closed connection, p99", percentile_ms(times_ns, 99), "ms", Bound("<=", 250)),
            Row("slowest", max(times_ns) * MS, "ms"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            f"each bot does {ALLOWED} actions and waits for their acks, then one more, which breaks a rule; counted "
            f"from just before that is written to its socket until a close frame with {BANNED.code} was read",
            "cheatwatch is a process of its own, which shares the clients' core with the broker where it is pinned",
            *trust_notes(measured),
        ],
    )


@contextlib.asynccontextmanager
async def _cheatwatch(bench: Bench, acted: Acted) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES.format(feed=FEED, events=acted.events, allowed=ALLOWED), encoding="utf-8")
        arguments = ["touchline_cheatwatch", "watch", "--log", f"kafka://{acted.kafka}", "--rules", str(rules)]
        topics = ["--actions-topic", acted.actions, "--verdicts-topic", acted.verdicts]
        group = ["--group", acted.actions]  # no real one's: it would get some of the partitions
        async with running([*arguments, *topics, *group, "--json"], bench.cores.clients, {}):
            yield


async def _until_it_watches(acted: Acted) -> None:
    """Until a bot is caught that does not stop."""
    bot = await acted.players.one("first")
    deadline_s = time.monotonic() + FIRST_TIMEOUT_S
    while bot.closed is None:
        if time.monotonic() > deadline_s:
            raise CrowdFailed(f"cheatwatch caught nobody in {FIRST_TIMEOUT_S:g} s")
        bot.act()
        await asyncio.sleep(FIRST_WAIT_S)


async def _until_banned(acted: Acted, name: str) -> int:
    """The nanoseconds from the action that breaks a rule until the connection is closed."""
    bot = await acted.players.one(name)
    bot.act(ALLOWED)
    await until_answered([bot])
    began_ns = time.monotonic_ns()
    bot.act()
    try:
        async with asyncio.timeout(VERDICT_TIMEOUT_S):
            await bot.gone.wait()
    except TimeoutError:
        bot.vanish()
        raise CrowdFailed(f"{name} was not caught in {VERDICT_TIMEOUT_S:g} s") from None
    if bot.closed is None or bot.closed.code != BANNED.code:
        raise CrowdFailed(f"{name} was not banned, but {bot.lost}")
    return bot.closed.at_ns - began_ns
