"""Events with keys.

A key is named in the value, by the feed's ``key_field``, so that one `Publish` does for Kafka and for HTTP.
"""

from collections.abc import Sequence
from itertools import count

import msgspec

from .publishing import Publish
from .wire import Due

KEY_FIELD = "key"
"""What the server that is published to has to know."""


class Keyed:
    """Publishes with ``keys`` in turn, of which None is none, and notes what each room's newest events are.

    ``newest`` has, by room and key, when the newest event was due; ``events`` how many were published.
    """

    def __init__(self, publish: Publish, keys: Sequence[str | None]) -> None:
        self.events = 0
        self.newest: dict[str, dict[str | None, int]] = {}
        self._publish = publish
        self._keys = keys
        self._turn = count()

    async def __call__(self, room: str, values: Sequence[bytes]) -> None:
        """Publish values that `wire.event_value` made, which grow by their keys."""
        await self._send(room, [(self._keys[next(self._turn) % len(self._keys)], value) for value in values])

    async def say(self, room: str, key: str, value: bytes) -> None:
        """Publish one more value, with a key of its own."""
        await self._send(room, [(key, value)])

    async def _send(self, room: str, pairs: Sequence[tuple[str | None, bytes]]) -> None:
        newest = self.newest.setdefault(room, {})
        for key, value in pairs:
            newest[key] = _DUE.decode(value).due
        self.events += len(pairs)
        await self._publish(room, [_with_key(key, value) for key, value in pairs])


def _with_key(key: str | None, value: bytes) -> bytes:
    return value if key is None else b'{"%s":"%s",%s' % (KEY_FIELD.encode(), key.encode(), value[1:])


_DUE = msgspec.json.Decoder(Due)
