"""The first messages of a client, as frames that are ready to send."""

from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Hello, RoomRequest, Subscribe

from .frames import masked


def hello(token: str | None = None) -> bytes:
    """A `hello`, to be sent once the handshake is complete."""
    return masked(JSON.encode(Hello(agent="touchline-loadtest", token=token)))


def greeting(request: RoomRequest) -> bytes:
    """A `hello`, followed by a `subscribe` to one room."""
    return hello() + masked(JSON.encode(Subscribe(rooms=[request])))
