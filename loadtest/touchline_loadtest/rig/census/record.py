"""Takes the census of a run, once a second: what each edge tells its clients, and what its control plane says.

Clients receive a number when it changes, so what they have now counts each time: one that stays wrong is found too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import httpx
import msgspec

from touchline_loadtest.checks.occupancy import Count
from touchline_loadtest.clock import now_ms
from touchline_loadtest.rig.edges import Edge
from touchline_loadtest.rig.log_lag.probe import Probe

from .census import Census

INTERVAL_S = 1.0
REQUEST_TIMEOUT_S = 5.0
ROOMS_AT_ONCE = 5
"""Rooms that each edge is asked about every second: an answer has the whole state of the room."""


class _RoomBody(msgspec.Struct):
    """The fields of an edge's answer that are needed; the decoder skips all others."""

    viewers: int
    viewers_complete: bool


async def take_census(census: Census, edges: Sequence[Edge], probes: Mapping[str, Probe], rooms: Sequence[str]) -> None:
    """Add to the census until cancelled; ``probes`` are by the names of their edges."""
    turns = cycle(rooms)
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, trust_env=False) as http:
        try:
            while True:
                for name, probe in probes.items():
                    at_ms = now_ms()
                    census.counts += [
                        Count(at_ms, f"{name} to a client", room, *told) for room, told in probe.viewers.items()
                    ]
                asked = list(islice(turns, ROOMS_AT_ONCE))
                await asyncio.gather(*(_ask(census, http, edge, room) for edge in edges for room in asked))
                await asyncio.sleep(INTERVAL_S)
        finally:
            census.stays = [stay for probe in probes.values() for stay in probe.stays()]


async def _ask(census: Census, http: httpx.AsyncClient, edge: Edge, room: str) -> None:
    """Ask an edge about a room. One that is down has no answer."""
    try:
        response = await http.get(f"http://127.0.0.1:{edge.health_port}/v1/rooms/{room}")
    except httpx.HTTPError:
        return
    if response.status_code == httpx.codes.OK:
        body = msgspec.json.decode(response.content, type=_RoomBody)
        census.counts.append(Count(now_ms(), f"{edge.name} over HTTP", room, body.viewers, body.viewers_complete))
