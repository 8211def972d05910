"""What can be seen of a server from outside while it runs: its memory over time, and what the kernel holds for it.

Knows Linux's ``/proc`` and nothing of clients.
"""

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import NamedTuple

import httpx

from .processes import Server

_LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""


class Sample(NamedTuple):
    """What was seen, ``at_s`` seconds after the first look. ``sockets_kib`` is of all TCP sockets of the machine."""

    at_s: float
    own_kib: int
    sockets_kib: int


@contextlib.asynccontextmanager
async def observed(server: Server, every_s: float) -> AsyncIterator[list[Sample]]:
    """Look at a server now and every ``every_s`` seconds, and once more at the end."""
    began_s = time.monotonic()
    samples: list[Sample] = []

    def look() -> None:
        samples.append(Sample(time.monotonic() - began_s, server.own_memory_kib(), sockets_kib()))

    async def keep_looking() -> None:
        while True:
            await asyncio.sleep(every_s)
            look()

    look()
    task = asyncio.create_task(keep_looking())
    try:
        yield samples
        look()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def own_growth_kib(samples: list[Sample]) -> int:
    """By how much the server's own memory grew at most from the first look on."""
    return max(sample.own_kib for sample in samples) - samples[0].own_kib


def usual_sockets_kib(samples: list[Sample]) -> float:
    """The kernel's memory for TCP sockets, half of the time: at any one moment much of it is on its way to be read."""
    return statistics.median(sample.sockets_kib for sample in samples)


def sockets_kib() -> int:
    """The kernel's memory for all TCP sockets of this machine, as ``/proc/net/sockstat`` counts it."""
    for line in Path("/proc/net/sockstat").read_text(encoding="ascii").splitlines():
        kind, *fields = line.split()
        if kind == "TCP:":
            return int(fields[fields.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return 0


async def viewers(control_port: int, rooms: Iterable[str]) -> int:
    """How many clients a server counts in some rooms, those that it has forgotten left out."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{control_port}", trust_env=False) as client:
        found = 0
        for room in rooms:
            response = await client.get(f"/v1/rooms/{room}")
            if response.status_code != httpx.codes.NOT_FOUND:
                found += response.raise_for_status().json()["viewers"]
        return found


def open_connections(port: int) -> int:
    """How many connections a process of this machine holds that came in at a port, half closed ones included."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(
        int(row[1].partition(":")[2], 16) == port and row[3] != _LISTENING and row[9] != "0"  # 0: nobody holds it
        for row in rows
    )
