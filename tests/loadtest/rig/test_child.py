"""Processes that a load test starts: they end, whatever happens."""

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import eventually
from touchline_loadtest.measure.processes import dying_with_parent
from touchline_loadtest.rig.child import Child, ChildFailed, child

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER
READY = re.compile("ready")
TIMEOUT_S = 20.0


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def exists(pid: int) -> bool:
    """Whether a process runs. One that has ended, and that nobody has waited for, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("code", [SLEEPER, STUBBORN], ids=["obedient", "stubborn"])
async def test_a_process_ends_with_the_block(tmp_path: Path, code: str) -> None:
    async with child("sleeper", python(code), tmp_path / "log", stop_timeout_s=0.2) as running:
        await running.until_printed(READY, TIMEOUT_S)
    assert not exists(running.pid)


def test_a_process_whose_parent_is_already_gone_does_not_begin(tmp_path: Path) -> None:
    command = dying_with_parent("touch", str(tmp_path / "begun"))
    another_parent = ["sh", "-c", '"$@"; exit 0', "sh", *command]
    subprocess.run(another_parent, check=True)
    assert not (tmp_path / "begun").exists()
    subprocess.run(command, check=True)
    assert (tmp_path / "begun").exists()


async def test_a_process_ends_with_a_block_that_fails(tmp_path: Path) -> None:
    seen: list[Child] = []

    async def fail() -> None:
        async with child("sleeper", python(STUBBORN), tmp_path / "log") as running:
            seen.append(running)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not exists(seen[0].pid)


PARENT = """
import asyncio, sys
from pathlib import Path
from touchline_loadtest.rig.child import child

async def main():
    async with child("sleeper", sys.argv[2:], Path(sys.argv[1])) as running:
        print(running.pid, flush=True)
        await running.wait()

asyncio.run(main())
"""


async def test_a_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *python(PARENT), str(tmp_path / "log"), *python(SLEEPER), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await eventually(lambda: not exists(pid), TIMEOUT_S)


async def test_a_process_that_ends_early_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"(?s)loser.*exit code 3.*why it lost"):
        async with child("loser", python("print('why it lost'); raise SystemExit(3)"), tmp_path / "log") as running:
            await running.until_printed(READY, TIMEOUT_S)


async def test_a_process_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"sleeper.* 0\.1 s"):
        async with child("sleeper", python("import time; time.sleep(60)"), tmp_path / "log") as running:
            await running.until_printed(READY, 0.1)


async def test_a_restarted_process_is_ready_when_it_says_so_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ready, said the one before\n")
    with pytest.raises(ChildFailed):
        async with child("sleeper", python("import time; time.sleep(60)"), log) as running:
            await running.until_printed(READY, 0.1)


async def test_settings_of_the_user_do_not_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_PORT", "1")
    code = "import os; print('ready', os.environ.get('TOUCHLINE_PORT'), os.environ.get('GIVEN'))"
    async with child("printer", python(code), tmp_path / "log", {"GIVEN": "yes"}) as running:
        assert await running.wait() == 0
    assert running.printed() == "ready None yes\n"


async def test_an_ended_process_can_be_ended_again(tmp_path: Path) -> None:
    async with child("quick", python(""), tmp_path / "log") as running:
        await running.wait()
        assert running.ended
        assert await running.end(signal.SIGTERM, 1.0) == 0
