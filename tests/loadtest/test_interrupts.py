"""Ctrl-C and SIGTERM: all that a command has created elsewhere goes away, on the user's broker too."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from support.kafka_broker import KafkaBroker
from support.waiting import eventually

RUN = ("run", "--users", "5", "--seconds", "60", "--folder", "run")
SWARM = ("swarm", "--start-edges", "1", "--publish", "evening", "--matches", "2", "--clients", "60", "--seconds", "60")


def topics_of(kafka: KafkaBroker) -> set[str]:
    """The topics that the broker has on disk, which is sooner said than by a client; a deleted one has another name."""
    names = {path.name.rpartition("-")[0] for path in kafka.folder.glob("*/touchline-*-*") if path.is_dir()}
    return {name for name in names if not name.partition(".")[1]}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def interrupted(
    kafka: KafkaBroker, command: Sequence[str], number: signal.Signals, folder: Path, *, group: bool = False
) -> None:
    """Interrupt a command once it has topics, and check that nothing of it is left. ``group``: as a terminal does."""
    scratch = folder / "tmp"
    scratch.mkdir()
    before = topics_of(kafka)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "touchline_loadtest", *command, "--kafka", kafka.address),
        cwd=folder,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        await eventually(lambda: topics_of(kafka) - before or process.returncode is not None)
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number) if group else process.send_signal(number)
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 130, errors.decode()
    assert errors.strip() == b""
    await eventually(lambda: topics_of(kafka) <= before)
    assert [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert names_in(scratch) == set()
    assert names_in(folder) <= {"tmp", "run"}


async def test_ctrl_c_leaves_nothing_of_a_load_test(kafka: KafkaBroker, tmp_path: Path) -> None:
    await interrupted(kafka, RUN, signal.SIGINT, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "command",
    [RUN, SWARM, ("bench", "tracking"), ("bench", "kafka-latency"), ("costs",), ("peers", "touchline-kafka")],
    ids=lambda command: command[-1],
)
async def test_nothing_is_left_of_any_command(
    command: Sequence[str], number: signal.Signals, kafka: KafkaBroker, tmp_path: Path
) -> None:
    await interrupted(kafka, command, number, tmp_path, group=number is signal.SIGINT)
