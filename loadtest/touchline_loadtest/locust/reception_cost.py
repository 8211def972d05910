"""``python -m touchline_loadtest.locust.reception_cost``: what an event costs the process that receives it.

A server in the same process sends events to clients as Locust's users have them. The CPU of its sending is measured
apart and left out, so the result hardly depends on what else the machine does. It takes 10 to 20 s.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, TypeGuard

import locust  # noqa: F401 - first of all, since it patches the process
from gevent.server import StreamServer
from gevent.socket import socket
from locust.env import Environment
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.connection.driver import Endpoint
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.plugin.process import load_process
from touchline_loadtest.locust.results.recorder import UserRecorder
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_protocol.codecs import MSGPACK
from touchline_protocol.frames import frame
from touchline_protocol.messages import Event, Hello, Limits, ServerMessage, Subscribe, Subscribed, Welcome

ROOM = "match:1"
CLIENTS = 200
EVENTS = 200
PADDING = "x" * 300
"""Makes an event as long as those of a real match."""
HEARTBEAT_MS = 60_000


class Case(NamedTuple):
    """A measurement: how many events arrive at once, and whether traces are recorded."""

    name: str
    together: int
    recorded: bool


CASES = (
    Case("alone", 1, recorded=False),
    Case("alone, recorded", 1, recorded=True),
    Case("ten together", 10, recorded=False),
)


class Server:
    """A server of one room that knows enough to let clients in. ``sockets`` are those of its clients."""

    def __init__(self) -> None:
        self.sockets: list[socket] = []
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self._server.server_port}/ws"

    def stop(self) -> None:
        """Stop, and drop all clients."""
        self._server.stop(timeout=0)

    def _serve(self, sock: socket, _: object) -> None:
        protocol = ServerProtocol(subprotocols=[Subprotocol(MSGPACK.subprotocol)])
        while data := sock.recv(65_536):
            protocol.receive_data(data)
            for received in protocol.events_received():
                if isinstance(received, Request):
                    protocol.send_response(protocol.accept(received))
                    sock.sendall(b"".join(protocol.data_to_send()))
                elif not _is_message(received):
                    return  # a close
                elif (answer := _answer(bytes(received.data))) is not None:
                    sock.sendall(frame(MSGPACK.opcode, MSGPACK.encode(answer)))
                    if isinstance(answer, Subscribed):
                        self.sockets.append(sock)


def _is_message(received: object) -> TypeGuard[Frame]:
    return isinstance(received, Frame) and received.opcode is Opcode.BINARY


def _answer(payload: bytes) -> ServerMessage | None:
    match MSGPACK.decode_client(payload):
        case Hello():
            return Welcome(session="s", edge="e", heartbeat_ms=HEARTBEAT_MS, limits=Limits(65_536, 50), time=0)
        case Subscribe(id=number):
            return Subscribed(ROOM, "e", 0, recovered=False, id=number)
    return None


def measure(case: Case, environment: Environment, folder: Path) -> float:
    """CPU for one event at one client, in microseconds."""
    process, server = load_process(environment), Server()
    clients = []
    with TraceWriter(folder) as writer:
        for number in range(CLIENTS):
            name = f"{case.name}-{number}"
            observer = Observer(
                name, process.shared, UserRecorder(name, writer if case.recorded else None), address="127.0.0.1:0"
            )
            client = Client(Endpoint(server.url), process.decoded[MSGPACK.name], observer)
            client.open()
            client.follow(ROOM)
            client.wait_joined()
            clients.append(client)
        cpu_s = _receive(case.together, server, clients)
        for client in clients:
            client.close()
    server.stop()
    return cpu_s / (CLIENTS * EVENTS) * 1e6


def _receive(together: int, server: Server, clients: list[Client]) -> float:
    """Have all clients receive all events; returns the CPU that it took, without that of sending."""
    began_s, sending_s = time.process_time(), 0.0
    for first in range(1, EVENTS + 1, together):
        offsets = range(first, first + together)
        batch = b"".join(frame(MSGPACK.opcode, MSGPACK.encode(_event(offset))) for offset in offsets)
        before_s = time.process_time()
        for sock in server.sockets:
            sock.sendall(batch)
        sending_s += time.process_time() - before_s
        for client in clients:
            while client.cursors()[ROOM].offset < offsets[-1]:
                time.sleep(0)
    return time.process_time() - began_s - sending_s


def _event(offset: int) -> Event:
    data = {"home": 1, "away": 2, "number": offset, "padding": PADDING}
    return Event(ROOM, offset, offset - 1, time.time_ns() // 1_000_000, data, "score")


def main() -> None:
    """Measure all cases, and print a line for each."""
    environment = Environment()
    environment.create_local_runner()
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            cpu_us = measure(case, environment, Path(folder))
        per_s = 1e6 / cpu_us
        sys.stdout.write(f"{case.name:16} {cpu_us:5.1f} us of CPU for an event, {per_s:7,.0f} events/s on a core\n")


if __name__ == "__main__":
    main()
