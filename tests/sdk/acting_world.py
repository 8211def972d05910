"""Players that act through the SDK's session, against the server's core, over a network in virtual time."""

import heapq
import itertools
from collections.abc import Callable
from random import Random

from sdk.core_edges import Connection
from sdk.sessions import new_session
from support.access import make_access
from support.core_edge import CoreEdge
from touchline.session.session import Session
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action
from touchline_server.core.clocks import LoopMs, UnixMs
from touchline_server.core.players.action_queue import ActionLimits
from touchline_server.core.players.grants import Grant, Patterns

APPEND_MS = 5
LIMITS = ActionLimits("edge", data_bytes_max=100, actions_window=64, waiting_max=1_000, retry_ms=1_000)


class ActingWorld:
    """One edge and its players. The network delays each message by ``latency_ms``, and keeps their order."""

    def __init__(self, seed: int, latency_ms: tuple[int, int] = (5, 25)) -> None:
        self.random = Random(seed)
        self.latency_ms = latency_ms
        access = make_access(verify=_everybody_may, limits=LIMITS, per_second_max=30.0, burst=64)
        self.edge = CoreEdge(access=access)
        self.now_ms = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.later(APPEND_MS, self._append)

    def later(self, delay_ms: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now_ms + delay_ms, next(self._numbers), what))

    def run(self, until: Callable[[], bool], ms_max: int = 600_000) -> None:
        while not until():
            self.now_ms, _, what = heapq.heappop(self._queue)
            assert self.now_ms < ms_max, "it takes too long"
            self.edge.loop_ms = LoopMs(self.now_ms)
            self.edge.unix_ms = UnixMs(self.now_ms)
            what()

    def _append(self) -> None:
        self.edge.append()
        self.later(APPEND_MS, self._append)


class ActingPlayer:
    """A player with a connection. ``sent`` counts its actions on the wire, copies included."""

    def __init__(self, world: ActingWorld, name: str = "ada") -> None:
        self.sent = 0
        self.done = 0
        self._world = world
        self._session: Session = new_session(actions_max=1_000)
        self._connection = Connection(world.edge, JSON)
        self._arrival_ms = {"up": 0, "down": 0}
        self._session.connected(world.now_ms / 1000, name)
        self._pump()
        world.run(lambda: self._session.welcome is not None)

    def act(self, count: int) -> None:
        """Act, as often as that, at once."""
        for _ in range(count):
            self._session.act("score:1", "tap", b"1")
        self._pump()

    def _pump(self) -> None:
        now_s = self._world.now_ms / 1000
        self._session.tick(now_s)
        for payload in self._session.take_output():
            self.sent += isinstance(JSON.decode_client(payload), Action)
            self._travel("up", lambda payload=payload: self._arrive(payload))  # type: ignore[misc]
        self.done += len(self._session.take_outcomes())
        deadline_s = self._session.deadline
        if deadline_s is not None and deadline_s < now_s + 60:
            self._world.later(max(1, round((deadline_s - now_s) * 1000)), self._pump)

    def _arrive(self, payload: bytes) -> None:
        self._connection.send_bytes(payload)
        self.hear()

    def hear(self) -> None:
        """What the edge wrote is on its way."""
        while self._connection.payloads:
            payload = self._connection.payloads.popleft()
            self._travel("down", lambda payload=payload: self._receive(payload))  # type: ignore[misc]

    def _receive(self, payload: bytes) -> None:
        self._session.receive(payload, self._world.now_ms / 1000)
        self._pump()

    def _travel(self, way: str, arrive: Callable[[], None]) -> None:
        at_ms = max(self._arrival_ms[way], self._world.now_ms + self._world.random.randint(*self._world.latency_ms))
        self._arrival_ms[way] = at_ms
        self._world.later(at_ms - self._world.now_ms, arrive)


def _everybody_may(token: str, _now_ms: int) -> Grant:
    return Grant(token, Patterns(["*"]), Patterns(["*"]), 1 << 50)
