"""What makes spans, as the rest of the server sees it, and its twin for a server that exports none.

Rules:

1. Nothing here raises or waits: tracing never costs an event, an action or a request.
2. A span that is not recorded changes no ``traceparent``: whatever comes after it continues what came before it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["producer", "consumer", "server"]
"""Whether a span writes a record, reads one, or answers a request."""

Attributes: TypeAlias = Mapping[str, str | int]

NO_ATTRIBUTES: Attributes = MappingProxyType({})


class Span(Protocol):
    """Something that this server does, from when it began until `end`."""

    @property
    def traceparent(self) -> str | None:
        """The ``traceparent`` for whatever this span causes; None if the span belongs to no trace."""

    def end(self, attributes: Attributes = NO_ATTRIBUTES, *, error: str | None = None) -> None:
        """The span ends now. ``error``: the code of what went wrong."""


class Tracer(Protocol):
    """Makes spans. ``is_on``: some are recorded, so it is worth asking."""

    @property
    def is_on(self) -> bool: ...

    def begin(
        self, name: str, kind: Kind, *, parent: str | None, start_ns: int, attributes: Attributes = NO_ATTRIBUTES
    ) -> Span:
        """Begin a span that continues ``parent``, a ``traceparent``; None begins a trace. ``start_ns`` is Unix time."""

    async def stop(self) -> None:
        """Export what is left, within a bounded time."""


class UnrecordedSpan:
    """A span that is not recorded."""

    __slots__ = ("traceparent",)

    def __init__(self, parent: str | None) -> None:
        self.traceparent = parent

    def end(self, attributes: Attributes = NO_ATTRIBUTES, *, error: str | None = None) -> None:
        """See `Span.end`."""


class NoTracer:
    """The tracer of a server that exports no spans."""

    is_on = False

    def begin(
        self, name: str, kind: Kind, *, parent: str | None, start_ns: int, attributes: Attributes = NO_ATTRIBUTES
    ) -> Span:
        """See `Tracer.begin`."""
        return UnrecordedSpan(parent)

    async def stop(self) -> None:
        """See `Tracer.stop`."""
