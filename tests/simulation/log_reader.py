"""Reads the log for one edge: what `Log.poll` would return, at each time that the edge polls."""

from bisect import bisect_left
from itertools import groupby

from touchline_server.core.log import CaughtUp, LogEvent, OffsetsLost, PartitionsAdded, Records, TopicOpened

from .log import Log, Topic

POLL_RECORDS_MAX = 200


class _Position:
    """How far a topic was read: the next record is the journal's at ``index``."""

    def __init__(self, topic: Topic, index: int, starts: dict[int, int]) -> None:
        self.topic = topic
        self.index = index
        self.next_offsets = starts
        self.caught_up_at: int | None = len(topic.journal)


class LogReader:
    """One edge's way through all topics, from the records of ``since_ms`` on."""

    def __init__(self, log: Log, since_ms: int) -> None:
        self._log = log
        self._since_ms = since_ms
        self._positions: dict[str, _Position] = {}

    def poll(self) -> list[LogEvent]:
        """What has happened since the last call."""
        events: list[LogEvent] = []
        for name, topic in self._log.topics.items():
            position = self._positions.get(name)
            if position is None or position.topic is not topic:
                position = self._positions[name] = self._open(topic, events)
            added = range(len(position.next_offsets), len(topic.partitions))
            if added:
                position.next_offsets |= dict.fromkeys(added, 0)
                events.append(PartitionsAdded(name, dict.fromkeys(added, 0)))
            _skip_deleted(position, events)
            _read_on(position, events)
        return events

    @property
    def is_behind(self) -> bool:
        """Whether there is more to poll."""
        return any(
            (position := self._positions.get(name)) is None
            or position.topic is not topic
            or position.index < len(topic.journal)
            or len(position.next_offsets) < len(topic.partitions)
            for name, topic in self._log.topics.items()
        )

    def _open(self, topic: Topic, events: list[LogEvent]) -> _Position:
        index = bisect_left(topic.journal, self._since_ms, key=lambda entry: entry[1].appended_ms)
        index = max(index, topic.kept_from)
        starts = {number: partition.start_at(self._since_ms) for number, partition in enumerate(topic.partitions)}
        events.append(TopicOpened(topic.name, topic.epoch, dict(starts)))
        return _Position(topic, index, starts)


def _skip_deleted(position: _Position, events: list[LogEvent]) -> None:
    topic = position.topic
    if position.index >= topic.kept_from:
        return
    position.index = topic.kept_from
    for number, partition in enumerate(topic.partitions):
        if position.next_offsets[number] < partition.start:
            position.next_offsets[number] = partition.start
            events.append(OffsetsLost(topic.name, number, partition.start))


def _read_on(position: _Position, events: list[LogEvent]) -> None:
    topic = position.topic
    found = topic.journal[position.index : position.index + POLL_RECORDS_MAX]
    position.index += len(found)
    for number, run in groupby(found, key=lambda entry: entry[0]):
        records = [record for _, record in run]
        next_offset = position.next_offsets[number] = records[-1].offset + 1
        events.append(Records(topic.name, number, records, next_offset))
    if position.caught_up_at is not None and position.index >= position.caught_up_at:
        position.caught_up_at = None
        events.append(CaughtUp(topic.name))
