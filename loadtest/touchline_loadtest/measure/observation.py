"""Observes a running server from outside: its memory over time, and what the kernel holds for it.

Knows Linux's ``/proc`` and the server's HTTP API, and nothing about clients.
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

from .processes import ChildProcess

_LISTENING = "0A"
"""The state of a listening socket in ``/proc/net/tcp``."""


class Sample(NamedTuple):
    """One observation, ``at_s`` seconds after the first. ``sockets_kib`` is for all TCP sockets of the machine."""

    at_s: float
    own_kib: int
    sockets_kib: int


@contextlib.asynccontextmanager
async def observe(process: ChildProcess, interval_s: float) -> AsyncIterator[list[Sample]]:
    """Take a sample now, every ``interval_s`` seconds, and at the end."""
    began_s = time.monotonic()
    samples: list[Sample] = []

    def take_sample() -> None:
        samples.append(Sample(time.monotonic() - began_s, process.own_memory_kib(), sockets_kib()))

    async def keep_sampling() -> None:
        while True:
            await asyncio.sleep(interval_s)
            take_sample()

    take_sample()
    task = asyncio.create_task(keep_sampling())
    try:
        yield samples
        take_sample()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def own_growth_kib(samples: list[Sample]) -> int:
    """The highest sample of the server's own memory, minus the first one."""
    return max(sample.own_kib for sample in samples) - samples[0].own_kib


def median_sockets_kib(samples: list[Sample]) -> float:
    """The kernel's memory for TCP sockets. The median, because a single sample may catch much data in flight."""
    return statistics.median(sample.sockets_kib for sample in samples)


def sockets_kib() -> int:
    """The kernel's memory for all TCP sockets of this machine, from ``/proc/net/sockstat``."""
    for line in Path("/proc/net/sockstat").read_text(encoding="ascii").splitlines():
        kind, *fields = line.split()
        if kind == "TCP:":
            return int(fields[fields.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return 0


def slab_kib() -> int:
    """The kernel's memory for its objects, those of sockets among them: ``Slab`` in ``/proc/meminfo``."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1])
    return 0


async def viewers(control_port: int, rooms: Iterable[str]) -> int:
    """How many clients a server reports in some rooms; rooms that it does not know any more count as empty."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{control_port}", trust_env=False) as client:
        found = 0
        for room in rooms:
            response = await client.get(f"/v1/rooms/{room}")
            if response.status_code != httpx.codes.NOT_FOUND:
                found += response.raise_for_status().json()["viewers"]
        return found


def open_connections(port: int) -> int:
    """How many connections to a port processes of this machine hold on the server's side, half-closed ones included."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(
        int(row[1].partition(":")[2], 16) == port and row[3] != _LISTENING and row[9] != "0"  # 0: no process holds it
        for row in rows
    )
