"""A load test from start to end: servers, feeds, Locust, and its cues."""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from touchline_loadtest.feeds.evening import evening
from touchline_loadtest.feeds.moments import play
from touchline_loadtest.feeds.profile import load
from touchline_loadtest.publish.batches import PublishBatches, kafka_batches
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.swarm.result import Outcome as SwarmOutcome
from touchline_protocol.printable import counted

from .census.census import Census
from .census.record import take_census
from .child import Child
from .faults.carry_out import Operator, Report, Stage
from .faults.cues import cues, operator_cues
from .locust_processes import Locust, Target, locust, stats_file
from .log_lag.probe import Probe
from .log_lag.record import record_log_lag
from .sampling import sample_processes
from .servers import Servers, cheatwatch, servers
from .settings import LoadTest
from .swarm_part import swarm_part
from .witness import Held, write_log

Result = TypeVar("Result")

Say = Callable[[str], None]
"""Shows a line to the user."""
WORKERS_END_S = 10.0
"""Locust's workers end at most this long before their master."""
LOOK_S = 0.5
"""Time between looks at whether a server has ended by itself."""
FEEDS = ("match", "score")
GOALS_AT_ONCE = 3
"""Goals fall in this many matches at the same time: those that most people watch."""


class Outcome(NamedTuple):
    """How a test went: the exit code of Locust, what the log held, and the swarm's result if there was one.

    ``lost`` are the processes of Locust that ended early, so that the result lacks what they had not yet handed over.
    ``report`` is the operator's. There is a ``census`` if edges share presence.
    """

    locust: int
    held: Held
    swarm: SwarmOutcome | None = None
    lost: Sequence[str] = ()
    report: Report = Report()
    census: Census | None = None


async def run_load_test(test: LoadTest, run: RunWriter, say: Say, end: asyncio.Event) -> Outcome:
    """Run a load test. All that it starts has ended when this returns or raises. ``end`` ends it early, with a result.

    Raises:
        OperatorError: something is missing on this machine, or Kafka cannot be reached.
        ChildFailed, ProcessFailed: a process did not start, or ended by itself.
    """
    say(_starting(test))
    async with servers(test, FEEDS, secret := secrets.token_urlsafe(32), run) as running:
        report = Report()
        census = Census() if test.keepers else None
        code, swarm, lost = await _with_audience(test, run, say, running, secret, report, census, end)
        say("reading the log")
        with LogWriter(run.folder) as log:
            held = await write_log(running.kafka, running.topics, log)
    return Outcome(code, held, swarm, lost, report, census)


async def _with_audience(
    test: LoadTest,
    run: RunWriter,
    say: Say,
    running: Servers,
    secret: str,
    report: Report,
    census: Census | None,
    end: asyncio.Event,
) -> tuple[int, SwarmOutcome | None, Sequence[str]]:
    """Let the audience meet the servers; returns what `Outcome` has of it. All events are in the log afterwards."""
    ended: dict[str, float] = {}
    rooms = _rooms(test.matches)
    target = Target(f"ws://127.0.0.1:{running.port}", ",".join(rooms), secret)
    async with (
        cheatwatch(sys.executable, running, run) as detector,
        kafka_batches(running.kafka, dict(running.topics.feeds)) as publish,
        locust(test, target, run) as users,
    ):
        say(_started(test))
        code, swarm = await _with_background(
            _audience(test, users, swarm_part(test, running, rooms, secret, run) if test.swarm else None, report),
            play(evening(load(), test.seed, test.matches), publish, speed=test.speed),
            _carry_out_cues(test, run, running, publish, rooms, secret, report),
            _probe(run, running, rooms, secret, census),
            sample_processes(run, lambda: _pids(running, users, detector)),
            _watch(running, detector),
            _watch_workers(users, ended),
            _end_locust(users, end),
        )
        if not stats_file(test.folder).exists():
            raise users.main.no_result()
        return code, swarm, _lost(users, ended)


async def _audience(
    test: LoadTest, users: Locust, swarm: Coroutine[Any, Any, SwarmOutcome] | None, report: Report
) -> tuple[int, SwarmOutcome | None]:
    """Wait until Locust and the swarm are done, and until faults that have begun are over: Kafka has to be read yet."""
    if swarm is None:
        code, outcome = await users.main.wait(), None
    else:
        code, outcome = await asyncio.gather(users.main.wait(), swarm)
    while len(report.faults) < len(operator_cues(RunReader(test.folder))):  # noqa: ASYNC110 - cues come from another process
        await asyncio.sleep(LOOK_S)
    return code, outcome


def _starting(test: LoadTest) -> str:
    servers = [counted(test.edges, "edge")]
    if test.keepers:
        servers += [counted(test.keepers, "keeper"), "Redis"]
    if test.kafka is None:
        servers.append(f"Kafka ({counted(test.brokers, 'broker')})")
    return f"starting {', '.join(servers)}" + (f"; Kafka is at {test.kafka}" if test.kafka else "")


def _started(test: LoadTest) -> str:
    swarm = f", and a swarm of {test.swarm:,}" if test.swarm else ""
    if test.web_port is None:
        return f"Locust runs for {test.seconds:g} s: {test.shape}, {test.users:,} users{swarm}"
    return f"Locust's page is http://127.0.0.1:{test.web_port}. Press Ctrl-C for the result."


async def _end_locust(users: Locust, end: asyncio.Event) -> None:
    """Let Locust stop its users and end, once that is wanted."""
    await end.wait()
    users.main.send_signal(signal.SIGTERM)  # SIGINT leaves the web page running


def _rooms(matches: int) -> list[str]:
    """All rooms, the most popular first: people watch a match, and its score."""
    return [f"{feed}:{number}" for number in range(1, matches + 1) for feed in FEEDS]


async def _carry_out_cues(
    test: LoadTest,
    run: RunWriter,
    running: Servers,
    publish: PublishBatches,
    rooms: Sequence[str],
    secret: str,
    report: Report,
) -> None:
    scored = [f"{FEEDS[0]}:{number}" for number in range(1, min(test.matches, GOALS_AT_ONCE) + 1)]
    with TraceWriter(run.folder) as traces:
        operator = Operator(Stage(run, traces, running, publish, rooms, scored, secret), report)
        async for cue in cues(RunReader(run.folder)):
            await operator.carry_out(cue)


async def _probe(run: RunWriter, running: Servers, rooms: Sequence[str], secret: str, census: Census | None) -> None:
    """Record, with clients of our own, how far each edge is behind the log, and how many viewers it says there are.

    Only what is in ``rooms`` is published.
    """
    probes = {edge.name: Probe(edge.port, rooms, secret, occupancy=census is not None) for edge in running.edges}
    clients = {edge: probe.newest for edge, probe in probes.items()}
    work = [record_log_lag(run, running.kafka, running.topics.feeds, rooms, clients)]
    if census is not None:
        work.append(take_census(census, running.edges, probes, rooms))
    await asyncio.gather(*work, *(probe.run() for probe in probes.values()))


def _pids(running: Servers, users: Locust, detector: Child) -> Mapping[str, int]:
    return {name: each.pid for name, each in {**users.children, "cheatwatch": detector}.items()} | dict(running.pids)


async def _watch(running: Servers, detector: Child) -> None:
    """Wait until a server ends that should not.

    Raises:
        ChildFailed: one has.
    """
    while True:
        failures = [*([detector.failure()] if detector.ended else []), *running.failures()]
        if failures:
            raise failures[0]
        await asyncio.sleep(LOOK_S)


async def _watch_workers(users: Locust, ended: dict[str, float]) -> None:
    """Note when each worker has ended. The test goes on with the others: its result says so."""
    while True:
        for name, child in users.children.items():
            if child.ended:
                ended.setdefault(name, time.monotonic())
        await asyncio.sleep(LOOK_S)


def _lost(users: Locust, ended: Mapping[str, float]) -> list[str]:
    """The workers that were killed, or ended long before their master, which ends them. The swarm may end after it."""
    early_s = ended.get(users.main.name, time.monotonic()) - WORKERS_END_S
    workers = {name: child for name, child in users.children.items() if child is not users.main}
    return [name for name, child in workers.items() if child.killed or ended.get(name, early_s) < early_s]


async def _with_background(main: Coroutine[Any, Any, Result], *others: Coroutine[Any, Any, object]) -> Result:
    """The result of ``main``, meanwhile the others run. They are cancelled at its end; an error of one ends all."""
    first = asyncio.create_task(main)
    tasks: list[asyncio.Task[Any]] = [first, *(asyncio.create_task(other) for other in others)]
    try:
        while not first.done():
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
                tasks.remove(task)
        return first.result()
    finally:
        for task in [first, *tasks]:
            task.cancel()
        await asyncio.gather(first, *tasks, return_exceptions=True)
