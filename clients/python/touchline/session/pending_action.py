"""One action on its way into the log, and what can become of it. Pure data."""

from typing import NamedTuple, TypeAlias

import msgspec

from touchline.errors import ActionInDoubt, ActionRefused
from touchline_protocol.actions import json_data
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Action

ID_MAX = 2**53 - 1
"""The largest id that every JSON reader keeps exact."""


class PendingAction:
    """An action without an answer yet. ``id`` is None until it is sent; it counts within ``session``.

    ``send_count`` is how often it was sent, ``first_sent_s`` when first. ``may_be_done``: an earlier copy went
    unanswered, or the log may have taken it although the server said no. ``awaited``: the caller wants the outcome.
    """

    __slots__ = (
        "awaited",
        "data",
        "first_sent_s",
        "id",
        "kind",
        "may_be_done",
        "room",
        "send_count",
        "session",
        "size_bytes",
        "traceparent",
    )

    def __init__(self, room: str, kind: str, data: bytes, codec: Codec, traceparent: str | None = None) -> None:
        self.room = room
        self.kind = kind
        self.data: msgspec.Raw = codec.value(data)
        self.size_bytes = len(json_data(codec, self.data))  # as the server measures it
        self.traceparent = traceparent
        self.session = ""
        self.id: int | None = None
        self.send_count = 0
        self.first_sent_s = 0.0
        self.may_be_done = False
        self.awaited = True

    def message(self, number: int, prev: int | None) -> Action:
        """The wire message for this action under the id ``number``."""
        return Action(
            id=number, room=self.room, kind=self.kind, data=self.data, prev=prev, traceparent=self.traceparent
        )

    def largest_message(self) -> Action:
        """The longest wire message that this action can become."""
        return self.message(ID_MAX, ID_MAX)


class Receipt(NamedTuple):
    """The action is in the log, durably. There, the player, ``session`` and ``id`` identify it."""

    session: str
    id: int


Outcome: TypeAlias = Receipt | ActionRefused | ActionInDoubt
