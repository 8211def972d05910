"""How a supervisor treats its workers' processes: real ones, which do as their script says."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.log_lines import log_lines
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.control.backend import ImpossibleRequest
from touchline_server.node.supervisor.crew import Crew, WorkerFailed
from touchline_server.node.supervisor.lifecycle import BACKOFF_S_MIN

SCRIPT = Path(__file__).parent / "scripted_worker.py"


@contextlib.asynccontextmanager
async def crew(*, count: int = 1, script: str = "serves", **settings: object) -> AsyncIterator[Crew]:
    """Workers that follow a script, watched until the end of the block."""
    options = Settings(edge_name="edge", **settings)  # type: ignore[arg-type]
    made = Crew(
        options, count=count, command=[sys.executable, str(SCRIPT), script], address=("127.0.0.1", 1), lowered={}
    )
    watching = asyncio.create_task(made.watch())
    try:
        yield made
    finally:
        await made.stop(0.5)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def pids(made: Crew) -> list[int]:
    return [process.pid for process in made.serving()]


async def test_a_worker_that_meets_a_mistake_of_the_operators_at_its_first_start_ends_the_edge() -> None:
    async with crew(script="mistake", count=2) as made:
        with pytest.raises(OperatorError, match="the operator made a mistake"):
            await asyncio.wait_for(made.failure, DEADLINE_S)


@pytest.mark.long
async def test_a_worker_that_fails_by_a_bug_at_its_first_start_ends_the_edge() -> None:
    async with crew(script="bug") as made:
        with pytest.raises(WorkerFailed, match="edge/1"):
            await asyncio.wait_for(made.failure, DEADLINE_S)


@pytest.mark.long
@pytest.mark.parametrize("script", ["killed", "dies"])
async def test_a_worker_that_is_killed_or_ends_later_is_replaced_ever_more_slowly(
    script: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with crew(script=script) as made:
        await eventually(lambda: len(log_lines(caplog, "worker_ended")) == 3)
        assert not made.failure.done()
    waits = [line["again_s"] for line in log_lines(caplog, "worker_ended")[:3]]
    assert waits == [BACKOFF_S_MIN, 2 * BACKOFF_S_MIN, 4 * BACKOFF_S_MIN]


async def test_the_closes_of_a_worker_outlive_its_processes(caplog: pytest.LogCaptureFixture) -> None:
    async with crew(script="dies") as made:
        await eventually(lambda: len(log_lines(caplog, "worker_ended")) == 2)
        closes = (await made.details())["edge/1"].closes
    ended = [line["pid"] for line in log_lines(caplog, "worker_ended")[:2]]
    assert [close.connection for close in closes[:2]] == ended


@pytest.mark.long
@pytest.mark.parametrize(("script", "by"), [("hangs", "SIGUSR2"), ("stuck", "SIGKILL")])
async def test_a_worker_that_hangs_says_where_if_it_still_can_and_is_replaced(
    script: str, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with crew(script=script, worker_hang_s=2) as made:
        await made.all_served.wait()
        (hung,) = pids(made)
        await eventually(lambda: pids(made) not in ([], [hung]))
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)
    (line, *_) = log_lines(caplog, "worker_hung")
    assert (line["worker"], line["pid"]) == ("edge/1", hung)
    assert line["silent_s"] >= 2
    (ended, *_) = log_lines(caplog, "worker_ended")
    assert (ended["pid"], ended["signal"]) == (hung, by)
    assert ("in hang" in ended.get("exception", "")) == (script == "hangs")


@pytest.mark.long
async def test_a_worker_that_crashes_says_where(caplog: pytest.LogCaptureFixture) -> None:
    async with crew(script="crashes"):
        await eventually(lambda: log_lines(caplog, "worker_ended"))
    (ended, *_) = log_lines(caplog, "worker_ended")
    assert ended["signal"] == "SIGSEGV"
    assert "in main" in ended["exception"]


@pytest.mark.long
async def test_a_worker_that_is_silent_is_not_ready_before_it_counts_as_hung(caplog: pytest.LogCaptureFixture) -> None:
    async with crew(script="hangs", worker_hang_s=6) as made:
        await made.all_served.wait()
        assert not made.readiness()["edge/1"].problems
        await eventually(lambda: made.readiness()["edge/1"].problems)
        assert not log_lines(caplog, "worker_hung")


@pytest.mark.long
async def test_workers_that_do_not_end_are_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with crew(script="deaf", count=2) as made:
        await made.all_served.wait()
        began_s = time.monotonic()
        await made.stop(0.3)
        assert time.monotonic() - began_s >= 0.3
        assert pids(made) == []
    assert {line["worker"] for line in log_lines(caplog, "worker_killed")} == {"edge/1", "edge/2"}


@pytest.mark.long
async def test_a_crew_that_stops_while_it_starts_leaves_no_process() -> None:
    async with crew(count=2) as made:
        await eventually(lambda: len(made._processes) == 2)
        started = [process.pid for process in made._processes.values()]
        await made.stop(20)
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.long
async def test_a_program_that_cannot_be_started_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    made = Crew(Settings(edge_name="edge"), count=1, command=["/missing/program"], address=("127.0.0.1", 1), lowered={})
    watching = asyncio.create_task(made.watch())
    await eventually(lambda: len(log_lines(caplog, "worker_not_started")) == 2)
    await made.stop(1)
    watching.cancel()


async def test_a_worker_that_drains_is_replaced_and_only_if_another_one_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with crew(count=2) as made:
        await asyncio.wait_for(made.all_served.wait(), DEADLINE_S)
        before = pids(made)
        made.drain("edge/1", DEADLINE_S)
        refused = []
        for worker in ("edge/1", "edge/2", "edge/3"):
            with pytest.raises(ImpossibleRequest) as error:
                made.drain(worker, DEADLINE_S)
            refused.append(error.value.code)
        assert refused == ["worker_not_serving", "last_worker", "worker_unknown"]
        await eventually(lambda: len(set(pids(made)) - set(before)) == 1 and len(pids(made)) == 2)
    (line,) = [each for each in log_lines(caplog, "worker_ended") if "again_s" in each]
    assert (line["worker"], line["exit_code"], line["again_s"]) == ("edge/1", 0, 0.0)


@pytest.mark.long
async def test_a_worker_that_does_not_drain_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with crew(count=2, script="deaf") as made:
        await asyncio.wait_for(made.all_served.wait(), DEADLINE_S)
        before = pids(made)
        made.drain("edge/1", 0.1)
        await eventually(lambda: len(set(pids(made)) - set(before)) == 1)
    assert log_lines(caplog, "worker_killed")[0]["worker"] == "edge/1"
