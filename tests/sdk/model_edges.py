"""A small pure model of several edges that take actions, of the log behind them, and of the network to them.

Each edge follows the contract on its own: it knows a session's ids only if the session was there, and forgets them when
a test says so. An edge may append actions that it then believes lost, and actions that the client has since sent to
another edge.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Ack, Action, Hello, Limits, Nack, ServerMessage, Welcome

SPAN_MAX = 4
RETRY_MS = 200
DATA_BYTES_MAX = 20
MESSAGE_BYTES_MAX = 400
REFUSED_KIND = "bad"
"""Refused by every edge: what one refuses for good, no other takes."""


class Entry(NamedTuple):
    """A record in the log; ``n`` is the data, by which the test knows the action."""

    session: str
    id: int
    n: int


class ActionSession:
    """What an edge knows about a session. If ``next_id`` is None, any id is the next one."""

    def __init__(self, next_id: int | None) -> None:
        self.next_id = next_id
        self.waiting: deque[Entry] = deque()
        self.refused: dict[int, Nack] = {}


class Edges:
    """Several edges with one log; the client is connected to ``at``. The next ``not_now`` actions are nacked."""

    def __init__(self, codec: Codec, edges: int) -> None:
        self.codec = codec
        self.log: list[Entry] = []
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.at = 0
        self.not_now = 0
        self._names = 0
        self._session = ""
        self._known: list[dict[str, ActionSession]] = [{} for _ in range(edges)]

    def connect(self, edge: int) -> None:
        """A new connection. Everything that was on its way on the old one is lost."""
        self.to_client.clear()
        self.to_server.clear()
        self.at = edge % len(self._known)

    def read(self) -> None:
        """Handle the client's next message."""
        message = self.codec.decode_client(self.to_server.popleft())
        if isinstance(message, Hello):
            self._welcome(message)
        elif isinstance(message, Action):
            nack = self._take(message)
            if nack is not None:
                self._say(nack)

    def append(self, edge: int, count: int, *, believed: bool = True) -> None:
        """An edge appends what waits there. If it does not believe so, the session goes back to the first action."""
        edge %= len(self._known)
        for session, state in self._known[edge].items():
            taken = [state.waiting.popleft() for _ in range(min(count, len(state.waiting)))]
            self.log.extend(taken)
            if not believed:
                state.waiting.extendleft(reversed(taken))
                self._fail(edge, session, state)
            elif self._is_here(edge, session):
                for entry in taken:
                    self._say(Ack(id=entry.id))

    def fail(self, edge: int) -> None:
        """An edge's log takes none of the waiting actions."""
        edge %= len(self._known)
        for session, state in self._known[edge].items():
            self._fail(edge, session, state)

    def forget(self, edge: int) -> None:
        """An edge restarts; its client is elsewhere."""
        edge %= len(self._known)
        if edge != self.at:
            self._known[edge].clear()

    def _fail(self, edge: int, session: str, state: ActionSession) -> None:
        failed = list(state.waiting)
        state.waiting.clear()
        if failed:
            state.next_id = failed[0].id
        if self._is_here(edge, session):
            for entry in failed:
                self._say(Nack(id=entry.id, code="log_unavailable", message="later", retry_ms=RETRY_MS))

    def _is_here(self, edge: int, session: str) -> bool:
        return edge == self.at and session == self._session

    def _welcome(self, hello: Hello) -> None:
        if hello.session is None:
            self._names += 1
        self._session = hello.session or f"session{self._names}"
        known = self._known[self.at]
        known.setdefault(self._session, ActionSession(1 if hello.session is None else None))
        limits = Limits(MESSAGE_BYTES_MAX, 1, action_bytes_max=DATA_BYTES_MAX, actions_window=SPAN_MAX)
        self._say(Welcome(session=self._session, edge="e", heartbeat_ms=0, limits=limits, time=0, player="ada"))

    def _take(self, action: Action) -> Nack | None:
        state = self._known[self.at][self._session]
        if state.next_id is None:
            state.next_id = action.id  # even if it is not taken now: the following ones must not overtake it
        if action.id < state.next_id:
            return self._known_before(state, action.id)
        if (action.id - 1 if action.prev is None else action.prev) >= state.next_id:
            return Nack(id=action.id, code="id_gap", message="a gap", retry_ms=RETRY_MS)
        if self.not_now:
            self.not_now -= 1
            return Nack(id=action.id, code="rate_limited", message="later", retry_ms=RETRY_MS)
        if state.waiting and action.id - state.waiting[0].id >= SPAN_MAX:
            # The waiting ones may have been acknowledged elsewhere.
            return Nack(id=action.id, code="too_many_unacked", message="later", retry_ms=RETRY_MS)
        nack = None
        if action.kind == REFUSED_KIND:
            nack = Nack(id=action.id, code="action_invalid", message="no")
            state.refused[action.id] = nack
        else:
            value = self.codec.encode(action)
            n: int = (msgspec.json if self.codec.name == "json" else msgspec.msgpack).decode(value)["data"]
            state.waiting.append(Entry(self._session, action.id, n))
        state.next_id = action.id + 1
        while state.next_id in state.refused:
            state.next_id += 1
        return nack

    def _known_before(self, state: ActionSession, action_id: int) -> Nack | None:
        if action_id in state.refused:
            return state.refused[action_id]
        if any(entry.id == action_id for entry in state.waiting):
            return None
        return Nack(id=action_id, code="duplicate_id", message="it is in the log")

    def _say(self, message: ServerMessage) -> None:
        self.to_client.append(self.codec.encode(message))
