"""The numbers of events, by which the log and all clients know them."""

from typing import Any, Protocol


class Numbered(Protocol):
    """An event, as the protocol or the SDK has it."""

    @property
    def ts(self) -> int: ...

    @property
    def data(self) -> Any: ...


def number_of(event: Numbered) -> int:
    """The number that the producer has written into the data, and used as the timestamp too."""
    return int(event.ts if event.data is None else event.data["number"])
