"""All peers by name, in the order of the table."""

from .peer import Peer
from .servers.anycable import AnyCablePeer
from .servers.c_send_loop import SendLoopPeer
from .servers.centrifugo import CentrifugoPeer
from .servers.nats import NatsPeer
from .servers.nchan import NchanPeer
from .servers.python_websockets import BroadcastPeer
from .servers.socketio import SocketIoPeer
from .servers.touchline import TouchlinePeer

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        SendLoopPeer(),
        TouchlinePeer(),
        NchanPeer(),
        NatsPeer(),
        CentrifugoPeer(),
        AnyCablePeer(),
        SocketIoPeer(),
        BroadcastPeer(),
    )
}
