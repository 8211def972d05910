"""What a client knows that has to start over: its state from `subscribed`, and what follows."""

from collections.abc import AsyncIterator

from support.node_fixture import Client
from touchline_protocol.messages import Event, Subscribed


def state(joined: Subscribed) -> dict[str | None, object]:
    return {event.key: event.data for event in joined.state}


async def known_after_start_over(client: Client) -> AsyncIterator[dict[str | None, object]]:
    """What the client knows, after each message. The first is a `subscribed` that is not recovered."""
    known: dict[str | None, object] | None = None
    while True:
        match await client.next():
            case Subscribed() as again:
                assert not again.recovered
                known = state(again)
            case Event() as event:
                assert known is not None, "an event of another log, before the client has started over"
                known[event.key] = event.data
            case other:
                raise AssertionError(other)
        yield known
