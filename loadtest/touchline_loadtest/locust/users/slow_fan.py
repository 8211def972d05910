"""A fan whose phone, or whose network, is slower than the match."""

from typing import ClassVar

from touchline_loadtest.locust.connection.driver import Endpoint
from touchline_loadtest.locust.observe import rows
from touchline_protocol.messages import Deliver

from .fan import Fan

BUFFER_BYTES = 4096
"""A small SO_RCVBUF (the kernel doubles it), so that the server's socket fills up instead of this machine's memory."""


STATES_BYTES_MAX = 100_000
"""An answer may have to wait behind this: the states of five rooms, and events that were on their way."""


class SlowFan(Fan):
    """Reads ``read_bytes_per_s``. The server may close it as too slow, or cut it off; it comes back with its cursor.

    With ``latest`` it receives the newest event of each key, with ``all`` every one, later and later.
    """

    weight = 3
    deliver: ClassVar[Deliver] = "latest"
    read_bytes_per_s: ClassVar[float] = 2_000.0
    receive_buffer_bytes: ClassVar[int] = BUFFER_BYTES
    event_row = rows.EVENT_SLOW
    slow_reader = True

    def patience_s(self) -> float:
        """How long an answer may take whoever reads this slowly, in seconds."""
        return super().patience_s() + STATES_BYTES_MAX / self.read_bytes_per_s

    def endpoint(self) -> Endpoint:
        """How to reach the server, and how slowly to read from it."""
        return Endpoint(
            self.url, receive_buffer_bytes=self.receive_buffer_bytes, read_bytes_per_s=self.read_bytes_per_s
        )
