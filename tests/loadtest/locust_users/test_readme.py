"""The commands that loadtest/README.md shows for Locust work as they stand, against a server on another port."""

import asyncio
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.locust_process import LOCUSTFILE
from support.node_fixture import running_node
from support.processes import environment
from touchline_loadtest.rig.free_ports import free_ports

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


def shortened(command: list[str], host: str, master_port: int) -> list[str]:
    """The command for another server and another port of the master, for three seconds, on a busy machine."""
    changes = {"--host": host, "-t": "3s", "--run-folder": "my-run"}
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


@pytest.mark.long
async def test_every_command_works_as_it_stands(tmp_path: Path) -> None:
    folder = folder_with_locustfiles(tmp_path)
    together: list[list[str]] = []
    (port,) = free_ports(1)
    feeds = {name: {"topic": f"{name}-events"} for name in ("score", "match", "cheer")}
    async with running_node(auth={"hs256_secret": SECRET}, heartbeat_s=5.0, feeds=feeds) as node:

        async def play() -> None:
            while True:
                for room in ("score:1", "score:2", "cheer:1001", "score:1001", "score:17"):
                    await node.publish(room, 1, key="n")
                await asyncio.sleep(0.02)

        playing = asyncio.create_task(play())
        try:
            for command in commands():
                changed = shortened(command, f"ws://127.0.0.1:{node.port}", port)
                if "--master" in command:
                    together.append(changed)
                    continue
                results = [await asyncio.gather(*(run(each, folder) for each in [*together, changed]))]
                together = []
                for code, output in results[0]:
                    assert code == 0, f"{command}\n{output}"
        finally:
            playing.cancel()
            await asyncio.wait([playing])
    assert (folder / "my-run" / "run.json").exists()
    assert list((folder / "my-run" / "traces").iterdir())
