"""Several edges that take actions, as `model_edges`, but by the server's own core: only the log is a model."""

import itertools
import json
from collections import deque

from sdk.model_edges import DATA_BYTES_MAX, MESSAGE_BYTES_MAX, REFUSED_KIND, RETRY_MS, SPAN_MAX, Entry
from support.access import make_access
from support.client_model import inflated
from support.core_edge import CLIENT, CoreClient, CoreEdge
from touchline_protocol import codes
from touchline_protocol.actions import decode_action
from touchline_protocol.codecs import Codec
from touchline_protocol.frames import split_frames
from touchline_server.core.players.action_queue import ActionLimits
from touchline_server.core.players.grants import Grant, Patterns, Refusal

ACTIONS = ActionLimits(
    "edge", data_bytes_max=DATA_BYTES_MAX, actions_window=SPAN_MAX, waiting_max=100, retry_ms=RETRY_MS
)


def _everybody_may(token: str, _now_ms: int) -> Grant:
    return Grant(token, Patterns(["*"]), Patterns(["*"]), 1 << 50)


def _check(_feed: str, kind: str, _data: bytes) -> Refusal | None:
    return (codes.ACTION_INVALID, "no") if kind == REFUSED_KIND else None


class Connection(CoreClient):
    """The client's end of it: what the edge writes is kept as payloads."""

    def __init__(self, edge: CoreEdge, codec: Codec) -> None:
        self.payloads: deque[bytes] = deque()
        super().__init__(edge, codec)

    def write(self, data: bytes) -> None:
        self.payloads.extend(inflated(frame) for frame in split_frames(data))


class CoreEdges:
    """See `model_edges.Edges`, whose methods these are."""

    def __init__(self, codec: Codec, edges: int) -> None:
        self.codec = codec
        self.log: list[Entry] = []
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.at = 0
        self.not_now = 0
        self._names = itertools.count(1)
        self._edges = [self._make_edge() for _ in range(edges)]
        self._connection: Connection | None = None

    def connect(self, edge: int) -> None:
        if self._connection is not None:
            self._connection.leave()
        self.to_client.clear()
        self.to_server.clear()
        self.at = edge % len(self._edges)
        self._connection = Connection(self._edges[self.at], self.codec)

    def read(self) -> None:
        assert self._connection is not None
        actions = self._edges[self.at].core.actions
        actions.pause("later") if self.not_now else actions.resume()
        self.not_now = max(0, self.not_now - 1)
        self._connection.send_bytes(self.to_server.popleft())
        self._hear()

    def append(self, edge: int, count: int, *, believed: bool = True) -> None:
        appending = self._edges[edge % len(self._edges)]
        batch = appending.core.actions.next_batch()
        for action in batch[:count]:
            record = decode_action(action.value)
            self.log.append(Entry(record.session, record.id, json.loads(bytes(record.data))))
        written = min(count, len(batch)) if believed else 0
        appending.perform(appending.core.appended(batch, written, appending.now))
        self._hear()

    def fail(self, edge: int) -> None:
        self.append(edge, 0)

    def forget(self, edge: int) -> None:
        edge %= len(self._edges)
        if edge != self.at:
            self._edges[edge] = self._make_edge()

    def _make_edge(self) -> CoreEdge:
        access = make_access(verify=_everybody_may, limits=ACTIONS, check=_check, per_second_max=1e9)
        client = CLIENT._replace(heartbeat_ms=0, message_bytes_max=MESSAGE_BYTES_MAX)
        return CoreEdge(access=access, client=client, make_name=lambda: f"session{next(self._names)}")

    def _hear(self) -> None:
        if self._connection is not None:
            self.to_client.extend(self._connection.payloads)
            self._connection.payloads.clear()
