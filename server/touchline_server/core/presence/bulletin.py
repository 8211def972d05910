"""A bulletin: something about a room that its askers are told, each time it changes.

It makes the parts of a flush: one frame per codec, shared by all who are told the same. An asker that is live and knew
the state before is told the change; any other one, once it is live, is told everything. So a client that reads slowly
gets only the newest state when it has caught up.

Example: the state goes from a to b to c before the next flush. Live askers that knew a are told the change from a to c,
and those that are not live wait until they are, for whatever the state is by then.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Message
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.core.rooms.room import M, Part, Write

S = TypeVar("S")
"""The state that is told: anything that compares."""


class Bulletin(Generic[M, S]):
    """One thing that the askers of a room are told. ``state`` is None until it is known.

    ``full`` makes the message that says everything, ``change`` the one for askers that know an earlier state.
    """

    __slots__ = ("_change", "_frames", "_full", "_told", "_up_to_date", "_waiting", "state")

    def __init__(self, full: Callable[[S], Message], change: Callable[[S, S], Message]) -> None:
        self.state: S | None = None
        self._full = full
        self._change = change
        self._told: S | None = None  # what those in `_up_to_date` know
        self._up_to_date: list[dict[M, None]] = [{} for _ in ALL_CODECS]
        self._waiting: dict[M, Codec] = {}
        self._frames: dict[Codec, bytes] = {}

    def add(self, member: M, codec: Codec) -> None:
        """A member asks to be told."""
        self._waiting[member] = codec

    def discard(self, member: M, codec: Codec) -> None:
        """A member leaves the room, whether it had asked or not."""
        self._waiting.pop(member, None)
        self._up_to_date[codec.index].pop(member, None)

    @property
    def has_askers(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._waiting) or any(self._up_to_date)

    @property
    def has_waiting(self) -> bool:
        """Whether an asker does not know the state, or waits for it to become known."""
        return bool(self._waiting)

    def reaches(self, live: Sequence[Mapping[M, Write]]) -> bool:
        """Whether the state is known, and one of those who wait for it is live."""
        return self.state is not None and any(member in live[codec.index] for member, codec in self._waiting.items())

    def take_parts(self, live: Sequence[Mapping[M, Write]]) -> list[Part[M]]:
        """What to write to which of the live members, by codec."""
        state, told = self.state, self._told
        if state is None:
            return []
        parts: list[Part[M]] = []
        if state != told:
            self._frames.clear()
            self._told = state
            for codec in ALL_CODECS:
                members = self._take_live(codec, live[codec.index])
                if members and told is not None:
                    parts.append(_part(codec.frame(self._change(told, state)), members, live[codec.index]))
        return parts + self._tell_waiting(state, live) if self._waiting else parts

    def _take_live(self, codec: Codec, live: Mapping[M, Write]) -> list[M]:
        """The members that know the state before and are live. The others wait."""
        up_to_date = self._up_to_date[codec.index]
        members = [member for member in up_to_date if member in live]
        if len(members) < len(up_to_date):
            for member in up_to_date:
                if member not in live:
                    self._waiting[member] = codec
            self._up_to_date[codec.index] = dict.fromkeys(members)
        return members

    def _tell_waiting(self, state: S, live: Sequence[Mapping[M, Write]]) -> list[Part[M]]:
        ready: dict[Codec, list[M]] = {}
        for member, codec in self._waiting.items():
            if member in live[codec.index]:
                ready.setdefault(codec, []).append(member)
        parts: list[Part[M]] = []
        for codec, members in ready.items():
            for member in members:
                del self._waiting[member]
            self._up_to_date[codec.index].update(dict.fromkeys(members))
            data = self._frames.get(codec)
            if data is None:
                data = self._frames[codec] = codec.frame(self._full(state))
            parts.append(_part(data, members, live[codec.index]))
        return parts


def _part(data: bytes, members: list[M], live: Mapping[M, Write]) -> Part[M]:
    return Part(data, [live[member] for member in members], members, is_notice=True)
