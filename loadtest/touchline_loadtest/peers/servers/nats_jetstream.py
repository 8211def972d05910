"""NATS with JetStream: a stream keeps what was published, and each client has an ordered consumer over WebSocket.

A client that comes back deletes its consumer, and creates one that begins after the last message it saw, as the client
libraries' ordered consumers do. Theirs also have flow control and idle heartbeats, which matter to clients that are
slow or lost.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.installed import module_version, program
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, Received, RoomStart
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

from .nats import CONNECT, NatsReader, nats_server

STREAM = "events"
CREATED = "_INBOX.created"
INACTIVE_NS = 300_000_000_000
"""A consumer whose client has gone is deleted after five minutes: the libraries' default for ordered consumers."""
STORE = 'jetstream { store_dir: "%s" }'
CONSUMERS_MAX = 100_000
"""Without it, a stream has at most 1,000 consumers, so at most 1,000 clients."""
ACK_TOKENS = 9
"""Tokens of a delivery's reply subject: ``$JS.ACK``, stream, consumer, deliveries, stream's and consumer's sequence
number, time, pending. Newer servers may insert a domain and a hash after ``$JS.ACK``."""


class _Delivered(msgspec.Struct):
    stream_seq: int


class _Created(msgspec.Struct):
    name: str = ""
    delivered: _Delivered | None = None
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Created).decode


class JetStreamReader(NatsReader):
    """A position is a sequence number of the stream and the consumer's name. The rooms of a client share it."""

    def __init__(self, rooms: Sequence[RoomStart]) -> None:
        super().__init__()
        self._rooms = rooms
        self._sequence = 0

    def message(self, subject: str, reply_to: str, content: bytes) -> list[Received]:
        """The events in one message, or the answer to the creation of the consumer."""
        if subject.startswith(CREATED):
            self._created(_decode(content))
            return []
        tokens = reply_to.split(".")
        more = 0 if len(tokens) == ACK_TOKENS else 2
        self._move(int(tokens[5 + more]), tokens[3 + more])
        return super().message(subject, reply_to, content)

    def _created(self, answer: _Created) -> None:
        if answer.delivered is None:
            raise PeerFailed(f"JetStream created no consumer: {answer.error}")
        first = answer.delivered.stream_seq
        for start in self._rooms:
            if start.after is not None:
                self.recovered[start.room] = first <= _position(start.after)[0]
        self._move(first, answer.name)

    def _move(self, sequence: int, consumer: str) -> None:
        """Move forward: events may come before the answer to the creation of their consumer."""
        self._sequence = max(self._sequence, sequence)
        self.positions = dict.fromkeys((start.room for start in self._rooms), f"{self._sequence} {consumer}")


class JetStreamDialect:
    """NATS's client protocol in WebSocket frames, with a push consumer that needs no acknowledgements."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """CONNECT, and the creation of a consumer that delivers to an inbox of this connection."""
        name = secrets.token_hex(8)
        positions = [_position(start.after) for start in rooms if start.after is not None]
        delete = "".join(
            f"PUB $JS.API.CONSUMER.DELETE.{STREAM}.{old} 0\r\n\r\n" for old in {old for _, old in positions}
        )
        request = msgspec.json.encode({"stream_name": STREAM, "config": _consumer(rooms, name, positions)})
        lines = (
            f"SUB {CREATED}.{name} 1\r\nSUB _INBOX.events.{name} 2\r\n"
            f"{delete}PUB $JS.API.CONSUMER.CREATE.{STREAM}.{name} {CREATED}.{name} {len(request)}\r\n"
        )
        return [
            Step(upgrade_request("127.0.0.1", port, "/"), b"\r\n\r\n"),
            Step(masked(CONNECT + lines.encode() + request + b"\r\n"), b"consumer_create_response"),
        ]

    def reader(self, rooms: Sequence[RoomStart]) -> JetStreamReader:
        """A reader for one client."""
        return JetStreamReader(rooms)


class JetStreamPeer:
    """nats-server with a stream in files, which is JetStream's default storage."""

    name = "nats-jetstream"
    package = "Go module github.com/nats-io/nats-server/v2"
    note = "a stream in files without limits, an ordered consumer per client; events by PUB on one TCP connection"
    recovers = True

    def version(self) -> str:
        """The version of its module."""
        return module_version(program("nats-server"))

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = True) -> AsyncIterator[PeerServer]:
        """Run it, with or without ``recovery``: a stream keeps everything. It does so over a restart as well."""
        del recovery
        async with nats_server(bench, folder, STORE % (folder / "jetstream")) as server:
            stream = msgspec.json.encode(
                {"name": STREAM, "subjects": ["*"], "storage": "file", "max_consumers": CONSUMERS_MAX}
            )
            answer = await server.publisher.request(f"$JS.API.STREAM.CREATE.{STREAM}", stream)
            if b'"error"' in answer:
                raise PeerFailed(f"JetStream created no stream: {answer[:200]!r}")
            yield PeerServer(server.process, server.websocket_port, server.publisher.publish_all, JetStreamDialect())


def _position(after: str) -> tuple[int, str]:
    sequence, _, name = after.partition(" ")
    return int(sequence), name


def _consumer(rooms: Sequence[RoomStart], name: str, positions: Sequence[tuple[int, str]]) -> dict[str, Any]:
    begin: dict[str, Any] = {"deliver_policy": "new"}
    if positions:
        begin = {"deliver_policy": "by_start_sequence", "opt_start_seq": max(positions)[0] + 1}
    return begin | {
        "name": name,
        "deliver_subject": f"_INBOX.events.{name}",
        "filter_subjects": [start.room for start in rooms],
        "ack_policy": "none",
        "max_deliver": 1,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": INACTIVE_NS,
    }
