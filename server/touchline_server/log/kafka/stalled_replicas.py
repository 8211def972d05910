"""Notices replicas that hand out nothing although their leader has more, and has their partitions fetched from leaders.

A replica that is cut off from its leader, but not from us, answers as if nothing was new, and the leader counts it as
in sync for `replica.lag.time.max.ms`, 30 s by default. Nothing is lost meanwhile, but it would all come late.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from touchline_kafka.client import Client
from touchline_kafka.errors import REQUEST_ERRORS
from touchline_kafka.fetch import LATEST, list_offsets
from touchline_kafka.metadata.read_replicas import ReadReplicas

from .open_topics import OpenTopic, OpenTopics, Partition

CHECK_S = 3.0
"""Between two looks at the leaders. A replica is given up after two that find it at the same offset."""


class Look(NamedTuple):
    """How far a partition was read, and where its leader's log ended then."""

    position: int
    end: int


def is_stalled(before: Look | None, now: Look) -> bool:
    """Whether a replica handed out nothing between two looks, although its leader had more at the first one already."""
    return before is not None and before.position == now.position < before.end


class StalledReplicas:
    """The task that looks. ``client`` is asked for offsets; ``on_given_up`` is called when a replica was given up."""

    def __init__(
        self, client: Client, topics: OpenTopics, replicas: ReadReplicas, on_given_up: Callable[[], None]
    ) -> None:
        self._client = client
        self._topics = topics
        self._replicas = replicas
        self._on_given_up = on_given_up
        self._looks: dict[Partition, Look] = {}

    async def run(self) -> None:
        """Look again and again; does not end by itself."""
        while True:
            await asyncio.sleep(CHECK_S)
            with contextlib.suppress(*REQUEST_ERRORS):
                await self.check()

    async def check(self) -> None:
        """Look once.

        Raises:
            KafkaError, OSError, TimeoutError: a leader does not answer.
        """
        now_s = time.monotonic()
        by_topic: defaultdict[OpenTopic, list[Partition]] = defaultdict(list)
        for partition, leader in self._topics.led():
            if self._replicas.node(partition.place, leader, now_s) != leader:
                by_topic[partition.topic].append(partition)
        looks: dict[Partition, Look] = {}
        for opened, partitions in by_topic.items():
            ends = await list_offsets(self._client, opened.known, [one.index for one in partitions], LATEST)
            looks |= {one: Look(one.position, ends[one.index]) for one in partitions if one.index in ends}
        stalled = [one for one, look in looks.items() if is_stalled(self._looks.get(one), look)]
        self._looks = looks
        for partition in stalled:
            self._replicas.give_up(partition.place, time.monotonic())
        if stalled:
            self._on_given_up()
