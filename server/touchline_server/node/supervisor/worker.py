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
from touchline_server.control.status import CloseStatus
from touchline_server.node.node import Node
from touchline_server.node.sockets import WorkerPlace

from .channel import Channel
from .messages import (
    Beat,
    Closed,
    CountMembers,
    Details,
    Failed,
    Members,
    MessageTooLarge,
    Metrics,
    Order,
    ReadDetails,
    ReadMetrics,
    ReadRoom,
    ReadVerdict,
    Refused,
    Reloaded,
    Report,
    Request,
    Room,
    Serving,
    Standing,
    Start,
    StopServing,
    orders,
)

BEAT_EVERY_S = 0.5
"""How often a worker says that its loop turns, and whether it is ready: the age of what ``/readyz`` reports."""

logger = structlog.get_logger("touchline.node")


def settings_of(pickled: bytes) -> Settings:
    """The settings in a message of the supervisor, which is the same program and the same user."""
    settings = pickle.loads(pickled)  # noqa: S301 - see above
    assert isinstance(settings, Settings)  # noqa: S101
    return settings


class Worker:
    """The process's link to its supervisor. ``stop`` ends the process when it is set: by a signal, or by this class."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._node: Node | None = None
        self._channel: Channel[Order] = Channel(orders(), self._received, self._lost)
        self._ending = False
        self._closes: list[CloseStatus] = []
        """Those that were reported last."""
        self._answering: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        """One reload at a time, in order: the first may still wait for a key set when the next one arrives."""

    async def connect(self, sock: socket.socket) -> None:
        """Begin to listen to the supervisor."""
        await self._channel.start(sock)

    def make_node(self, start: Start) -> Node:
        """The worker's node, and give signs of life from now on.

        Raises:
            OperatorError: as `Node`.
        """
        place = WorkerPlace(start.name, start.host, start.port)
        self._node = Node(settings_of(start.settings), lowered=start.lowered, place=place)
        self._beat(self._node)
        return self._node

    def serving(self) -> None:
        """Say that the node has started, and that it is ready."""
        if self._node is not None:
            self._channel.send(self._sign(self._node))
        self._channel.send(Serving())

    def failed(self, why: str) -> None:
        """Say why the worker ends."""
        self._channel.send(Failed(why))

    def close(self) -> None:
        """Report the last ends of connections, and say nothing more."""
        if self._node is not None:
            self._report_closes(self._node)
        self._ending = True
        self._channel.close()

    def _beat(self, node: Node) -> None:
        if not self._ending:
            self._channel.send(self._sign(node))
            self._report_closes(node)
            asyncio.get_running_loop().call_later(BEAT_EVERY_S, self._beat, node)

    def _report_closes(self, node: Node) -> None:
        before, self._closes = self._closes, node.closes()
        if new := [close for close in self._closes if close not in before]:
            self._channel.send(Closed(new))

    @staticmethod
    def _sign(node: Node) -> Beat:
        return Beat(node.readiness())

    def _lost(self) -> None:
        if not self._ending and not self._stop.is_set():
            logger.warning("supervisor_lost")
            self._stop.set()
        self._ending = True

    def _received(self, order: Order) -> None:
        if isinstance(order, StopServing):
            self._stop.set()
        elif self._node is not None and not isinstance(order, Start):
            task = asyncio.create_task(self._serve(self._node, order))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _serve(self, node: Node, request: Request) -> None:
        try:
            if isinstance(request, CountMembers):
                self._answer(Members(request.id, node.viewers(request.room)))
            elif isinstance(request, ReadRoom):
                self._answer(Room(request.id, await node.room_state(request.room)))
            elif isinstance(request, ReadMetrics):
                self._answer(Metrics(request.id, node.snapshot()))
            elif isinstance(request, ReadDetails):
                self._answer(Details(request.id, node.own_details()))
            elif isinstance(request, ReadVerdict):
                self._answer(Standing(request.id, node.knows_players, node.standing(request.player)))
            else:
                async with self._reloading:
                    await node.reload(settings_of(request.settings), lowered=request.lowered)
                self._answer(Reloaded(request.id))
        except OperatorError as error:
            self._answer(Refused(request.id, str(error)))
        except Exception as error:
            logger.exception("supervisor_request_failed", request=type(request).__name__)
            self._answer(Refused(request.id, f"a mistake of ours, see the worker's own line: {type(error).__name__}"))

    def _answer(self, answer: Report) -> None:
        try:
            self._channel.send(answer)
        except MessageTooLarge as error:
            assert isinstance(answer, Room)  # noqa: S101 - nothing else is large
            self._answer(Refused(answer.id, f"the room's state is too large to be read here: {error}"))
