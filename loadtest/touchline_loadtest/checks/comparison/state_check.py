"""Whether a client's state is that of the log. Pure."""

from collections.abc import Mapping, Set

from touchline_loadtest.checks.partition_log import LogId
from touchline_loadtest.checks.room_log import RoomLog, State


class StateCheck:
    """The state of one client in one room. Parts of it may be missing where the log has deleted them.

    ``may_lack_keys``: the server may send the state again, once it is complete.
    """

    def __init__(self, room: RoomLog) -> None:
        self._room = room
        self._complete = True
        self._known = True
        self.may_lack_keys = False

    def resume(self) -> None:
        """The server goes on without a state: what it knows of the room's state, the client does not learn."""
        self.may_lack_keys = True

    def forget(self) -> None:
        """The client brought a cursor without a state."""
        self._known = False

    def start(self, *, complete: bool) -> None:
        """The client starts from a state; ``complete``: the server says that no key is missing."""
        self._complete = complete
        self._known = True
        self.may_lack_keys = not complete

    def wrong_start(self, log: LogId | None, head: int, state: Mapping[str, int]) -> str:
        """What is wrong with a state as of ``head``. If nobody knows the log, it must be right in one of them.

        A room without records has no state.
        """
        candidates = [log] if log is not None else [*self._room.parts]
        wrong = [self._start(each, head, state) for each in candidates if each in self._room.parts]
        if not self._room.parts:
            return self._wrong_key({}, state, frozenset())
        return wrong[0] if wrong and all(wrong) else ""

    def wrong_end(self, log: LogId, offset: int, state: Mapping[str, int], left_out: Set[str]) -> str:
        """What is wrong with a state as of the client's cursor. Keys whose newest event was ``left_out`` may differ."""
        if not self._known:
            return ""
        right = self._room.state(log, offset)
        for key in right.keys() | state.keys():
            value, entry = state.get(key), right.get(key)
            if value == (None if entry is None else entry.value) or key in left_out:
                continue
            if value is None and (not self._complete or (entry is not None and self._room.is_deleted(entry))):
                continue
            return f"{key} is {value}, not {entry}"
        return ""

    def _start(self, log: LogId, head: int, state: Mapping[str, int]) -> str:
        right = self._room.state(log, head)
        unsettled = self._room.unsettled(log)
        return self._wrong_key(right, state, unsettled) or self._missing_key(right, state, unsettled)

    def _wrong_key(self, right: State, state: Mapping[str, int], unsettled: Set[str]) -> str:
        for key, value in state.items():
            entry = right.get(key)
            if entry is not None and entry.value == value:
                continue
            if key not in unsettled and not self._was_lost(key, value):
                return f"{key} is {value}, not {entry}"
        return ""

    def _missing_key(self, right: State, state: Mapping[str, int], unsettled: Set[str]) -> str:
        if not self._complete:
            return ""
        for key, entry in right.items():
            if key not in state and key not in unsettled and not self._room.is_deleted(entry):
                return f"{key} is missing: {entry}"
        return ""

    def _was_lost(self, key: str, value: int) -> bool:
        """Whether this value may come from a part of the log that an unclean election has cut off."""
        return self._room.facts.lossy and (value, key, False) in self._room.sent


def differences(seen: Mapping[str, int], right: Mapping[str, int]) -> str:
    """Where two states differ, for a report."""
    keys = sorted(key for key in seen.keys() | right.keys() if seen.get(key) != right.get(key))
    return ", ".join(f"{key} is {seen.get(key)}, not {right.get(key)}" for key in keys[:5])
