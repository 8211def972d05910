"""A worker: a node in a process of its own, which a supervisor has started.

It serves until it is asked to stop, gets SIGTERM, or has lost its supervisor. In all three cases it drains first: a
supervisor that was killed leaves no process behind, and no client without a word.
"""

import asyncio
import pickle
import socket

import structlog

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.node.node import Node
from touchline_server.node.sockets import WorkerPlace

from .channel import Channel
from .messages import (
    Beat,
    CountMembers,
    Failed,
    Members,
    MessageTooLarge,
    Order,
    ReadRoom,
    Refused,
    Reload,
    Reloaded,
    Report,
    Room,
    Serving,
    Start,
    StopServing,
    orders,
)

BEAT_EVERY_S = 0.5
"""How often a worker says that its loop turns, and whether it is ready: the age of what ``/readyz`` reports."""

RECEIVE_BYTES = 1 << 16

logger = structlog.get_logger("touchline.node")


def read_start(sock: socket.socket) -> Start:
    """Wait for the first message, without an event loop: it says how to log, among other things.

    Raises:
        EOFError: the supervisor is gone already.
    """
    reader = orders()
    while data := sock.recv(RECEIVE_BYTES):
        for order in reader.feed(data):
            assert isinstance(order, Start)  # noqa: S101 - always the first, and nothing follows before an answer
            return order
    raise EOFError


def settings_of(pickled: bytes) -> Settings:
    """The settings in a message of the supervisor, which is the same program and the same user."""
    settings = pickle.loads(pickled)  # noqa: S301 - see above
    assert isinstance(settings, Settings)  # noqa: S101
    return settings


class Worker:
    """``stop`` ends the worker when it is set: by a signal, or by this class."""

    def __init__(self, start: Start, stop: asyncio.Event) -> None:
        self.node = Node(
            settings_of(start.settings),
            lowered=start.lowered,
            place=WorkerPlace(start.name, start.host, start.port),
        )
        self._stop = stop
        self._channel: Channel[Order] = Channel(orders(), self._received, self._lost)
        self._ending = False
        self._answering: set[asyncio.Task[None]] = set()

    async def connect(self, sock: socket.socket) -> None:
        """Begin to listen to the supervisor, and to give signs of life."""
        await self._channel.start(sock)
        self._beat()

    def serving(self) -> None:
        """Say that the node has started."""
        self._channel.send(Serving())
        self._channel.send(self._sign())

    def failed(self, why: str) -> None:
        """Say why the worker ends."""
        self._channel.send(Failed(why))

    def close(self) -> None:
        """Say nothing more."""
        self._ending = True
        self._channel.close()

    def _beat(self) -> None:
        if not self._ending:
            self._channel.send(self._sign())
            asyncio.get_running_loop().call_later(BEAT_EVERY_S, self._beat)

    def _sign(self) -> Beat:
        return Beat(self.node.readiness(), self.node.core.connections)

    def _lost(self) -> None:
        if not self._ending and not self._stop.is_set():
            logger.warning("supervisor_lost")
            self._stop.set()
        self._ending = True

    def _received(self, order: Order) -> None:
        match order:
            case StopServing():
                self._stop.set()
            case CountMembers(request_id, room):
                self._answer(Members(request_id, self.node.viewers(room)))
            case ReadRoom() | Reload():
                task = asyncio.create_task(self._serve(order))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Start():
                raise AssertionError("a worker is started once")

    async def _serve(self, request: ReadRoom | Reload) -> None:
        try:
            if isinstance(request, ReadRoom):
                self._answer(Room(request.id, await self.node.room_state(request.room)))
            else:
                self.node.reload(settings_of(request.settings), lowered=request.lowered)
                self._answer(Reloaded(request.id))
        except OperatorError as error:
            self._answer(Refused(request.id, str(error)))

    def _answer(self, answer: Report) -> None:
        try:
            self._channel.send(answer)
        except MessageTooLarge as error:
            assert isinstance(answer, Room)  # noqa: S101 - nothing else is large
            self._answer(Refused(answer.id, f"the room's state is too large to be read here: {error}"))
