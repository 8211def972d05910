"""Several edges that take actions, as `model_edges`, but by the server's own core: only the log is a model."""

import json
from collections import deque

from sdk.model_edges import DATA_BYTES_MAX, MESSAGE_BYTES_MAX, REFUSED_KIND, RETRY_MS, SPAN_MAX, Entry
from support.client_model import inflated, split_frames
from support.doors import a_door
from touchline_protocol import codes
from touchline_protocol.actions import decode_action
from touchline_protocol.codecs import Codec
from touchline_server.core.access import Door
from touchline_server.core.action_queue import ActionLimits
from touchline_server.core.client import Session, SessionLimits
from touchline_server.core.feed import Feed
from touchline_server.core.grants import Grant, Patterns, Refusal
from touchline_server.core.hub import Hub, HubLimits

ACTIONS = ActionLimits(
    "edge", data_bytes_max=DATA_BYTES_MAX, actions_window=SPAN_MAX, waiting_max=100, retry_ms=RETRY_MS
)
SESSION = SessionLimits("edge", 0, MESSAGE_BYTES_MAX, 10, 100, 100)
HUB = HubLimits(1 << 20, 60_000, 1 << 20, 60_000)


def _everybody_may(token: str, _now_ms: int) -> Grant:
    return Grant(token, Patterns(["*"]), Patterns(["*"]), 1 << 50)


def _check(_feed: str, kind: str, _data: bytes) -> Refusal | None:
    return (codes.ACTION_INVALID, "no") if kind == REFUSED_KIND else None


def _a_door() -> Door:
    return a_door(verify=_everybody_may, limits=ACTIONS, check=_check, per_second_max=1e9)


class CoreEdges:
    """See `model_edges.Edges`, whose methods these are."""

    def __init__(self, codec: Codec, edges: int) -> None:
        self.codec = codec
        self.log: list[Entry] = []
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.at = 0
        self.not_now = 0
        self._names = 0
        self._hub = Hub([Feed("score", "score-events")], HUB, lambda _key, _partitions: 0)
        self._doors = [_a_door() for _ in range(edges)]
        self._session: Session | None = None

    def connect(self, edge: int) -> None:
        if self._session is not None:
            self._session.close(0)
        self.to_client.clear()
        self.to_server.clear()
        self.at = edge % len(self._doors)
        self._names += 1
        name = f"session{self._names}"
        self._session = Session(self._hub, self._doors[self.at], self.codec, SESSION, lambda _: None, self, name)

    def read(self) -> None:
        assert self._session is not None
        actions = self._doors[self.at].actions
        actions.away = "later" if self.not_now else None
        self.not_now = max(0, self.not_now - 1)
        self._session.receive(self.to_server.popleft(), now_ms=0)
        self._hear()

    def append(self, edge: int, count: int, *, believed: bool = True) -> None:
        actions = self._doors[edge % len(self._doors)].actions
        batch = actions.batch()
        for draft in batch[:count]:
            record = decode_action(draft.value)
            self.log.append(Entry(record.session, record.id, json.loads(bytes(record.data))))
        actions.settle(batch, min(count, len(batch)) if believed else 0)
        self._hear()

    def fail(self, edge: int) -> None:
        self.append(edge, 0)

    def forget(self, edge: int) -> None:
        edge %= len(self._doors)
        if edge != self.at:
            self._doors[edge] = _a_door()

    def _hear(self) -> None:
        if self._session is not None:
            self.to_client.extend(inflated(frame) for frame in split_frames(self._session.take_output()))
