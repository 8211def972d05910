"""Broken servers, for tests of the checks: each changes what reaches one client, once."""

from collections.abc import Callable
from itertools import pairwise

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Event, ServerMessage, Subscribed

from .world import SECOND_US, World

FROM_US = 15 * SECOND_US
"""By then the clients are live in their rooms, and have seen some events."""


class Tampering:
    """Tampers with the messages of one client: ``spoil`` returns what arrives in place of those, or None to wait."""

    def __init__(self, world: World, codec: Codec, spoil: Callable[["Tampering", list[bytes]], list[bytes] | None]):
        self.is_done = False
        self.held: bytes | None = None
        self.codec = codec
        self._world = world
        self._spoil = spoil

    def __call__(self, payloads: list[bytes]) -> list[bytes]:
        if self.is_done or self._world.now_us < FROM_US:
            return payloads
        spoiled = self._spoil(self, payloads)
        if spoiled is None:
            return payloads
        self.is_done = True
        return spoiled

    def messages(self, payloads: list[bytes]) -> list[ServerMessage]:
        return [self.codec.decode_server(payload) for payload in payloads]


def drop(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """One event is lost."""
    index = _first_event(tampering, payloads)
    return None if index is None else payloads[:index] + payloads[index + 1 :]


def duplicate(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """One event arrives twice."""
    index = _first_event(tampering, payloads)
    return None if index is None else payloads[: index + 1] + payloads[index:]


def swap(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """Two events of a room arrive in the wrong order."""
    events = [
        (message.room, index)
        for index, message in enumerate(tampering.messages(payloads))
        if isinstance(message, Event)
    ]
    for (room, first), (other, second) in pairwise(events):
        if room == other:
            payloads = payloads.copy()
            payloads[first], payloads[second] = payloads[second], payloads[first]
            return payloads
    return None


def change(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """One event has another event's data."""
    for index, message in enumerate(tampering.messages(payloads)):
        if isinstance(message, Event):
            changed = msgspec.structs.replace(message, data={"n": 0, "pad": ""})
            return [*payloads[:index], tampering.codec.encode(changed), *payloads[index + 1 :]]
    return None


def forget_a_key(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """The state that a room starts from lacks a key."""
    for index, message in enumerate(tampering.messages(payloads)):
        if isinstance(message, Subscribed) and message.state:
            changed = msgspec.structs.replace(message, state=message.state[1:])
            return [*payloads[:index], tampering.codec.encode(changed), *payloads[index + 1 :]]
    return None


def lose_the_end(tampering: Tampering, payloads: list[bytes]) -> list[bytes] | None:
    """Events stop arriving at some time, for good; so this is never done."""
    messages = tampering.messages(payloads)
    payloads[:] = [
        payload for payload, message in zip(payloads, messages, strict=True) if not isinstance(message, Event)
    ]
    return None


def _first_event(tampering: Tampering, payloads: list[bytes]) -> int | None:
    messages = tampering.messages(payloads)
    return next((index for index, message in enumerate(messages) if isinstance(message, Event)), None)
