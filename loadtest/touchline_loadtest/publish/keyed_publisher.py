"""Events with keys.

The key is a field of the value, which the feed's ``key_field`` names, so that one `Publish` serves Kafka and HTTP
alike.
"""

from collections.abc import Sequence
from itertools import count

import msgspec

from touchline_loadtest.wire.event_values import Due

from .publisher import Publish

KEY_FIELD = "key"
"""The ``key_field`` to configure on the server."""


class KeyedPublisher:
    """Publishes with each of ``keys`` in turn (None: without a key), and remembers the newest events of each room.

    ``newest`` holds, by room and key, when the newest event was due; ``events`` is the number of published events.
    """

    def __init__(self, publish: Publish, keys: Sequence[str | None]) -> None:
        self.events = 0
        self.newest: dict[str, dict[str | None, int]] = {}
        self._publish = publish
        self._keys = keys
        self._turn = count()

    async def __call__(self, room: str, values: Sequence[bytes]) -> None:
        """Publish values of `event_value`, which grow by their keys."""
        await self._send(room, [(self._keys[next(self._turn) % len(self._keys)], value) for value in values])

    async def publish_with_key(self, room: str, key: str, value: bytes) -> None:
        """Publish one value with the given key."""
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
