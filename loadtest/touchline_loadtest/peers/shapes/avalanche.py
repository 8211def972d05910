"""Broken connections: how much of what was published reaches 1,000 clients whose network fails, and how soon.

Every contestant meets the same failures, with its recovery feature on: `phases` has them.
"""

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.peers.peer import PeerFailed, PeerMissing

from .contestant import Contestant, Sizes, contestant
from .entries import Entry
from .outcome import Outcome
from .phases import Outcomes, Plan, run_avalanche, run_jitter, run_outage


class Report(msgspec.Struct, frozen=True):
    """The outcomes of a run, by phase and contestant. ``missing`` has the reasons of those that could not take part."""

    began: str
    machine: dict[str, str | int]
    sizes: dict[str, float]
    plan: Plan
    versions: dict[str, str]
    settings: dict[str, str]
    missing: dict[str, str]
    phases: dict[str, dict[str, Outcome]]


async def run(bench: Bench, entries: Sequence[Entry], sizes: Sizes, plan: Plan) -> Report:
    """Run all phases with all contestants that can take part."""
    missing: dict[str, str] = {}
    contestants: list[Contestant] = []
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for entry in entries:
            bench.say(f"{entry.name}: connecting {sizes.clients} clients")
            try:
                contestants.append(await stack.enter_async_context(_enter(bench, entry, folder, sizes)))
            except (PeerMissing, PeerFailed, ProcessFailed) as error:
                missing[entry.name] = str(error)
                bench.say(f"{entry.name} does not take part: {error}")
        phases = await _run_phases(bench, contestants, plan)
    return Report(
        began=began,
        machine=machine.describe(),
        sizes=sizes._asdict(),
        plan=plan,
        versions={one.name: one.version for one in contestants},
        settings={one.name: one.settings for one in contestants},
        missing=missing,
        phases={name: dict(outcomes) for name, outcomes in phases.items()},
    )


def _enter(
    bench: Bench, entry: Entry, folder: Path, sizes: Sizes
) -> contextlib.AbstractAsyncContextManager[Contestant]:
    own = folder / entry.name
    own.mkdir()
    return contestant(entry, bench if entry.from_kafka else bench._replace(kafka=None), own, sizes)


async def _run_phases(bench: Bench, contestants: Sequence[Contestant], plan: Plan) -> dict[str, Outcomes]:
    phases: dict[str, Outcomes] = {}
    if plan.jitter_s:
        bench.say(f"jitter: every client is cut once within {plan.jitter_s:g} s")
        phases["jitter"] = await run_jitter(contestants, plan)
    if plan.avalanche_s:
        bench.say("avalanche: all clients of one peer after the other are cut at once")
        phases["avalanche"] = await run_avalanche(contestants, plan, bench.say)
    if plan.outage_s:
        bench.say(f"outage: all clients are away for {plan.outage_s:g} s")
        phases["outage"] = await run_outage(contestants, plan, bench.say)
    return phases
