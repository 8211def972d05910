"""Where partitions are read from and where they end: asked of each leader by itself, so that none holds up the others.

A broker looks into records to find the first one of a time, and fails at one that makes no sense. Then it is asked for
an earlier time, and at last for the beginning: reading too much costs time, and skips nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from touchline_kafka.client import Client
from touchline_kafka.error_codes import LEADER_NOT_AVAILABLE, Scope
from touchline_kafka.errors import REQUEST_ERRORS, classify, error_of
from touchline_kafka.fetch import EARLIEST, LATEST, last_epochs, list_offsets
from touchline_kafka.topics import NO_LEADER, Topic

from .open_topics import REFUSED_WAIT_S, Bounds

TRIES_MAX = 3
"""How often a leader is asked for its offsets: one that was just chosen may not know it yet."""
EARLIER_MS = (60_000, 3_600_000, 86_400_000)
"""How much earlier a time is asked for in the place of one that the broker fails to find."""
UNREADABLE_CODES = frozenset({-1, 2, 87})
"""What a broker answers if it cannot decode a record: UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE or INVALID_RECORD."""


class FoundBounds(NamedTuple):
    """The bounds of partitions, and why those of others are not known."""

    bounds: Mapping[int, Bounds]
    failures: Mapping[int, BaseException]


async def find_bounds(client: Client, topic: Topic, partitions: Iterable[int], since_ms: int) -> FoundBounds:
    """Ask where each partition's records of ``since_ms`` (or `EARLIEST`) and later begin, and where they end now."""
    by_leader: defaultdict[int, list[int]] = defaultdict(list)
    for index in partitions:
        by_leader[topic.leaders[index]].append(index)
    failures: dict[int, BaseException] = {
        index: error_of(LEADER_NOT_AVAILABLE) for index in by_leader.pop(NO_LEADER, ())
    }
    bounds: dict[int, Bounds] = {}
    for found in await asyncio.gather(*(_of_leader(client, topic, led, since_ms) for led in by_leader.values())):
        bounds.update(found.bounds)
        failures.update(found.failures)
    return FoundBounds(bounds, failures)


async def _of_leader(client: Client, topic: Topic, partitions: Sequence[int], since_ms: int) -> FoundBounds:
    """All of one leader's at once, or else each by itself."""
    try:
        return FoundBounds(await _ask(client, topic, partitions, since_ms), {})
    except REQUEST_ERRORS as error:
        if _is_about_all(error):
            return FoundBounds({}, dict.fromkeys(partitions, error))
    bounds: dict[int, Bounds] = {}
    failures: dict[int, BaseException] = {}
    for index in partitions:
        try:
            bounds.update(await _ask_again(client, topic, index, since_ms))
        except REQUEST_ERRORS as error:
            failures[index] = error
    return FoundBounds(bounds, failures)


async def _ask_again(client: Client, topic: Topic, index: int, since_ms: int) -> dict[int, Bounds]:
    times_ms = [max(0, since_ms - earlier_ms) for earlier_ms in EARLIER_MS] if since_ms >= 0 else []
    times_ms.append(EARLIEST)
    tries_left = TRIES_MAX
    while True:
        try:
            return await _ask(client, topic, [index], since_ms)
        except REQUEST_ERRORS as error:
            if getattr(error, "errno", None) in UNREADABLE_CODES and times_ms:
                since_ms = times_ms.pop(0)
                continue
            tries_left -= 1
            if _is_about_all(error) or not classify(error).retriable or not tries_left:
                raise
            await asyncio.sleep(REFUSED_WAIT_S)


async def _ask(client: Client, topic: Topic, partitions: Sequence[int], since_ms: int) -> dict[int, Bounds]:
    # The ends come first: what is appended between the two requests is then read, not skipped.
    ends = await list_offsets(client, topic, partitions, LATEST)
    starts = await list_offsets(client, topic, partitions, since_ms)
    nothing_to_read = {index: end for index, end in ends.items() if starts.get(index, end) >= end}
    last = await last_epochs(client, topic, nothing_to_read)
    return {index: Bounds(starts.get(index, ends[index]), ends[index], last.get(index)) for index in partitions}


def _is_about_all(error: BaseException) -> bool:
    """Whether the broker did not answer, so that it makes no sense to ask it for one partition after the other."""
    return classify(error).scope is Scope.CLUSTER and getattr(error, "errno", None) not in UNREADABLE_CODES
