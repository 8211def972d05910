"""What the log of a whole run holds, and has held: its rooms, its actions and its verdicts. Pure."""

from collections import defaultdict

from .actions import LoggedAction, Verdict
from .partition_log import Entry, LogId
from .room_log import NOTHING_HAPPENED, RoomLog, Starts, TopicFacts


class RunLog:
    """Collects what a witness has read, in that order. ``records`` counts the events of all rooms."""

    def __init__(self) -> None:
        self.actions: list[LoggedAction] = []
        self.verdicts: list[Verdict] = []
        self.records = 0
        self._rooms: dict[str, RoomLog] = {}
        self._facts: dict[str, TopicFacts] = {}
        self._starts: defaultdict[str, Starts] = defaultdict(Starts)
        self._topics: dict[str, str] = {}  # by the feed

    def topic(self, name: str, facts: TopicFacts) -> None:
        """What the run does to a topic. The last call counts."""
        self._facts[name] = facts
        for room in self._rooms.values():
            if self._topics.get(_feed(room.room)) == name:
                room.facts = facts._replace(lossy=facts.lossy or room.facts.lossy)

    def append(self, log: LogId, room: str, entry: Entry) -> None:
        """A record of a room: see `RoomLog.append`."""
        self.records += 1
        self._topics.setdefault(_feed(room), log.topic)
        ends = self._starts[log.topic].ends
        if entry.offset > ends.get(log, -1):
            ends[log] = entry.offset
        self.room(room).append(log, entry)

    def start(self, log: LogId, at_ms: float, offset: int) -> None:
        """A partition began at ``offset`` at this time."""
        self._starts[log.topic].add(log, at_ms, offset)

    def room(self, name: str) -> RoomLog:
        """One room, without records if it has none."""
        room = self._rooms.get(name)
        if room is None:
            topic = self._topics.get(_feed(name), "")
            facts = self._facts.get(topic, NOTHING_HAPPENED)
            room = self._rooms[name] = RoomLog(name, facts, self._starts[topic])
        return room


def _feed(room: str) -> str:
    return room.partition(":")[0]
