"""Events with keys, and a server that knows where to find them.

A key is named in the value, by the feed's ``key_field``, so that one `Publish` does for Kafka and for HTTP.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count

import msgspec

from .kafka import FEED, new_topic
from .measuring import Bench
from .processes import Touchline, touchline_serve
from .publishing import Publish, into_kafka, over_http

KEY_FIELD = "key"
PARTITIONS = 1
"""Of a topic of Kafka's: the embedded log has one too."""
SQLITE_TOPIC = "match-events"


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


class _Due(msgspec.Struct):
    due: int


_DUE = msgspec.json.Decoder(_Due)


@contextlib.asynccontextmanager
async def serving(
    bench: Bench, *, log: str = "sqlite://", variables: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Touchline, Publish]]:
    """Run a server on Kafka where a broker is named, else on ``log``; with what publishes to rooms of `FEED`."""
    core = bench.cores.server
    async with contextlib.AsyncExitStack() as stack:
        if bench.kafka is None:
            settings = _feeds(SQLITE_TOPIC) | dict(variables or {})
            touchline = await stack.enter_async_context(touchline_serve(core, log=log, variables=settings))
            yield touchline, await stack.enter_async_context(over_http(touchline.control_port))
        else:
            topic = await stack.enter_async_context(new_topic(bench.kafka, PARTITIONS))
            settings = _feeds(topic.name) | dict(variables or {})
            touchline = await stack.enter_async_context(touchline_serve(core, log=topic.log, variables=settings))
            yield touchline, await stack.enter_async_context(into_kafka(bench.kafka, topic.name))


def source(bench: Bench) -> str:
    """Where the events of `serving` come from, for a note."""
    return "published over HTTP" if bench.kafka is None else "from Kafka"


def _feeds(topic: str) -> dict[str, str]:
    return {"TOUCHLINE_FEEDS": msgspec.json.encode({FEED: {"topic": topic, "key_field": KEY_FIELD}}).decode()}
