"""How a client of any server joins: what it sends, and what it waits for before it sends the next thing."""

from collections.abc import Sequence

import msgspec


class Step(msgspec.Struct, frozen=True):
    """Send ``send``, then wait until ``until`` has arrived ``times`` times. The next step looks at what follows it."""

    send: bytes
    until: bytes
    times: int = 1


class Progress:
    """Where one client is in its steps."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._number = 0
        self._unread = b""

    @property
    def to_send(self) -> bytes:
        """What to send at the beginning of the present step; empty after the last one."""
        return b"" if self.done else self._steps[self._number].send

    @property
    def done(self) -> bool:
        """Whether the client has joined."""
        return self._number == len(self._steps)

    @property
    def unread(self) -> bytes:
        """What has arrived after the last complete step."""
        return self._unread

    def receive(self, data: bytes) -> bool:
        """Add what arrived; returns whether that completed the present step."""
        if self.done:
            return False
        self._unread += data
        step = self._steps[self._number]
        if self._unread.count(step.until) < step.times:
            return False
        for _ in range(step.times):
            self._unread = self._unread.partition(step.until)[2]
        self._number += 1
        return True
