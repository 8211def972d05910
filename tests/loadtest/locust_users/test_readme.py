"""The commands that loadtest/README.md shows for Locust work as they stand, against the demo that it has them start."""

import asyncio
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.processes import line_of, running
from project.test_readme import commands_in
from support.locust_process import LOCUSTFILE
from support.processes import environment
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.rig.locust_processes import LOCUSTFILE as PACKAGED

README = LOCUSTFILE.with_name("README.md")
SECRET = "only-for-trying-it-out-0123456789"


def blocks(language: str) -> Iterator[str]:
    """The blocks of code of the section about Locust."""
    section = README.read_text().split("## Locust, against")[1].split("\n## ")[0]
    yield from re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    """The commands that run Locust."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("locust "):
                yield shlex.split(line)


RUNS_S = (3, 9, 27)
"""How long a command runs: on a busy machine the shorter ones may end before their users have received an event."""


def shortened(command: list[str], host: str, master_port: int, run_s: int) -> list[str]:
    """The command for another server and another port of the master, for ``run_s``, on a busy machine."""
    changes = {"--host": host, "-t": f"{run_s}s", "--run-folder": "my-run"}
    changed = [changes.get(before, word) for before, word in zip(["", *command], command, strict=False)]
    changed = [re.sub(r"(\.p99=)[0-9]+", r"\g<1>60000", word) for word in changed]
    if "--master" in command:
        changed += ["--master-bind-port", str(master_port)]
    if "--worker" in command:
        changed += ["--master-port", str(master_port)]
    return [sys.executable, "-m", *changed]


async def run(command: list[str], folder: Path) -> tuple[int | None, str]:
    env = environment() | {"LOCUST_TOKEN_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


def folder_with_locustfiles(tmp_path: Path) -> Path:
    shutil.copy(LOCUSTFILE, tmp_path / "locustfile.py")
    (own,) = blocks("python")
    (tmp_path / "my_locustfile.py").write_text(own)
    return tmp_path


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """The server that the README has its reader start, and what is played in it; yields its address.

    Since commands are shortened tenfold, the evening is faster by that.
    """
    (start,) = [block for block in blocks("sh") if "\ntouchline demo" in block]
    export, command = commands_in(f"```sh\n{start}```\n")
    variable, _, value = export.removeprefix("export ").partition("=")
    assert value.strip('"') == SECRET
    _, *arguments = shlex.split(command)
    with running(*arguments, "--port", "0", "--control-port", "0", env={variable: SECRET}) as process:
        banner = ""
        while (websocket := re.search(r"ws://[\d.:]+", banner)) is None:
            banner += line_of(process.stdout, process)
        control = re.search(r"http://[\d.:]+", banner)
        assert control is not None
        evening = next(
            command for block in blocks("sh") for command in block.splitlines() if " feed evening" in command
        )
        _, *feed = shlex.split(evening.replace("http://127.0.0.1:8081", control.group()))
        with subprocess.Popen([sys.executable, *feed, "--speed", "10"], env=environment()) as publisher:
            try:
                yield websocket.group()
                assert publisher.poll() is None
            finally:
                publisher.kill()


def events_received(output: str) -> int:
    """The live events in the table that Locust prints at the end of a run; 0 if it prints none, as a worker does."""
    return sum(
        int(count)
        for name in (rows.EVENT, rows.EVENT_STREAM)
        for count in re.findall(rf"^\S* +{re.escape(name)} +(\d+) +\d+\(", output, re.MULTILINE)
    )


def run_together() -> Iterator[list[list[str]]]:
    """Each command that runs Locust, a master with its workers."""
    together: list[list[str]] = []
    for command in commands():
        together.append(command)
        if "--master" not in command:
            yield together
            together = []
    assert not together


async def received_by(together: list[list[str]], host: str, folder: Path, run_s: int) -> int:
    """Run commands side by side, and return the number of events that their users received."""
    (port,) = free_ports(1)
    shutil.rmtree(folder / "my-run", ignore_errors=True)  # of a run that was too short
    first, *workers = (asyncio.create_task(run(shortened(each, host, port, run_s), folder)) for each in together)
    ends = [await first]
    if ends[0][0]:
        for worker in workers:  # they would wait for another master
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    else:
        ends += await asyncio.gather(*workers)
    received = sum(events_received(output) for _, output in ends)
    if received or run_s == RUNS_S[-1]:  # Locust fails a run in which nobody was let in
        for code, output in ends:
            assert code == 0, f"{together}\n{output}"
    return received


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_every_command_works_as_it_stands_and_receives_events_of_the_demo(tmp_path: Path) -> None:
    folder = folder_with_locustfiles(tmp_path)
    with demo() as host:
        for together in run_together():
            for run_s in RUNS_S:
                if await received_by(together, host, folder, run_s):
                    break
            else:
                pytest.fail(f"no events: {together}")
    assert (folder / "my-run" / "run.json").exists()
    assert list((folder / "my-run" / "traces").iterdir())


def weights(locustfile: Path) -> dict[str, float]:
    """The weights of the users in a locustfile, as Locust itself reads them."""
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--show-task-ratio-json", "-u", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return {name: user["ratio"] for name, user in json.loads(done.stdout)["total"].items()}


@pytest.mark.parametrize(
    "locustfile", [LOCUSTFILE, pytest.param(PACKAGED, marks=pytest.mark.long)], ids=["to copy", "make loadtest"]
)
def test_the_audience_of_every_locustfile_is_the_one_in_the_table(locustfile: Path) -> None:
    text = README.read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| (\d+) % \|", text, re.MULTILINE))
    assert sum(map(int, table.values())) == 100
    assert {name: round(100 * share) for name, share in weights(locustfile).items()} == {
        name: int(share) for name, share in table.items()
    }
