"""All peers by name, in the order of the table."""

from .peer import Peer
from .servers.centrifugo import CentrifugoPeer
from .servers.touchline import TouchlinePeer

PEERS: dict[str, Peer] = {peer.name: peer for peer in (TouchlinePeer(), CentrifugoPeer())}
