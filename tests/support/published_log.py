"""What a test has published through a node, as the log that the checker compares clients with.

For logs that nothing else writes to, and that nothing is lost from. `kafka_truth` reads a topic instead.
"""

from typing import Any

from support.node_fixture import RunningNode
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.values import value_of


class PublishedLog:
    """The events of one room. ``offset`` is that of the last one."""

    def __init__(self, room: str) -> None:
        self.room = RoomLog(room)
        self.offset = -1
        self._count = 0

    async def publish(self, node: RunningNode, *values: Any, key: str | None = None) -> int:
        """Publish events, and return the offset of the last one. The value None removes ``key``."""
        positions = await node.publish(self.room.room, *values, key=key)
        for (partition, offset), value in zip(positions, values, strict=True):
            self._count += 1
            removal = key is not None and value is None
            entry = Entry(offset, value_of(key, value), key, removal, self._count)
            self.room.append(LogId("events", 0, partition), entry)
            self.offset = offset
        return self.offset
