"""The peers that take part in each shape, with their configurations and names."""

from collections.abc import Sequence
from typing import NamedTuple

from touchline_cli.suggestions import did_you_mean_or_all
from touchline_loadtest.peers.peer import Peer
from touchline_loadtest.peers.servers.anycable import AnyCablePeer
from touchline_loadtest.peers.servers.centrifugo import CentrifugoPeer
from touchline_loadtest.peers.servers.nats import NatsPeer
from touchline_loadtest.peers.servers.nats_jetstream import JetStreamPeer
from touchline_loadtest.peers.servers.nchan import NchanPeer
from touchline_loadtest.peers.servers.python_websockets import BroadcastPeer
from touchline_loadtest.peers.servers.socketio import SocketIoPeer
from touchline_loadtest.peers.servers.touchline import TouchlinePeer
from touchline_protocol.errors import OperatorError

CENTRIFUGO_RECOVERED_MAX = 300
"""The default of ``client.recovery_max_publication_limit``."""


class Entry(NamedTuple):
    """A peer that takes part. ``settings`` says what its recovery is bounded by.

    With ``one_room``, the clients that this suite has for it are in a single room each.
    """

    name: str
    peer: Peer
    settings: str = ""
    from_kafka: bool = False
    one_room: bool = False


def avalanche_entries() -> list[Entry]:
    """All peers with their recovery feature on, sized for the outage and, if that differs, with its default bounds."""
    return [
        Entry("touchline-kafka", TouchlinePeer(), "nothing to set; bounded by the topic's retention", from_kafka=True),
        Entry("touchline", TouchlinePeer(), "nothing to set; bounded by the embedded log's retention"),
        Entry(
            "nats-jetstream",
            JetStreamPeer(),
            "a stream without limits but on consumers, 100,000 (default: 1,000, so no more clients)",
        ),
        Entry("centrifugo", CentrifugoPeer(), "history 100,000 events, 30 min; recovery limit 100,000"),
        Entry(
            "centrifugo-default",
            CentrifugoPeer(CENTRIFUGO_RECOVERED_MAX),
            "the same history; recovery limit 300, its default",
        ),
        Entry("nchan", NchanPeer(), "buffer 100,000 messages, 30 min"),
        Entry("nchan-default", NchanPeer(""), "buffer 10 messages, 1 h, its defaults"),
        Entry("anycable", AnyCablePeer(), "memory broker, history 100,000 messages, 30 min"),
        Entry("anycable-default", AnyCablePeer(()), "memory broker, history 100 messages, 5 min, its defaults"),
        Entry("socket.io", SocketIoPeer(), "state recovery, maxDisconnectionDuration 30 min"),
        Entry("socket.io-default", SocketIoPeer(None), "state recovery, maxDisconnectionDuration 2 min, its default"),
        Entry("nats", NatsPeer(), "core NATS has no recovery"),
        Entry("python-websockets", BroadcastPeer(), "it has no recovery"),
    ]


def many_rooms_entries() -> list[Entry]:
    """The configurations of the fan-out, without recovery."""
    return [
        Entry("touchline-kafka", TouchlinePeer(), from_kafka=True),
        Entry("nats", NatsPeer()),
        Entry("nchan", NchanPeer(), one_room=True),
        Entry("centrifugo", CentrifugoPeer()),
        Entry("anycable", AnyCablePeer()),
        Entry("socket.io", SocketIoPeer()),
        Entry("python-websockets", BroadcastPeer(), one_room=True),
    ]


def choose(entries: Sequence[Entry], names: Sequence[str], kafka: str | None) -> list[Entry]:
    """Those with the given names; without names, all for which there is what they need.

    Raises:
        OperatorError: there is no such entry, or it needs a broker and there is none.
    """
    known = {entry.name: entry for entry in entries}
    for name in names:
        if name not in known:
            raise OperatorError(f"there is no peer {name!r}{did_you_mean_or_all(name, known)}")
        if known[name].from_kafka and kafka is None:
            raise OperatorError(f"{name} needs a Kafka broker: name one with --kafka host:port")
    if names:
        return [known[name] for name in names]
    return [entry for entry in entries if kafka is not None or not entry.from_kafka]
