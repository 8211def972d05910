"""The catch-up queue: clients that are behind take turns, one step each, within a turn's budget.

Each step's bytes are written before the next step is taken, so that flow control has a say in between: a client that
takes no more is skipped until it does.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic

from .client import Client, ClientSubscription
from .clocks import Now
from .effects import Effect, Owner
from .rooms.room import Delivery
from .subscription import NextStep, Step
from .write_scheduler import Budget

_ELSEWHERE = frozenset({NextStep.STORE, NextStep.LOG, NextStep.LOG_END})


class CatchUpQueue(Generic[Owner]):
    """The clients that have to catch up.

    ``wanting`` collects the subscriptions whose next step needs the store or the log, for the caller to take.
    """

    def __init__(self) -> None:
        self.wanting: list[tuple[ClientSubscription[Owner], NextStep]] = []
        self._clients: deque[Client[Owner]] = deque()

    @property
    def has_work(self) -> bool:
        """Whether a client may have a step to take."""
        return bool(self._clients)

    def add(self, client: Client[Owner]) -> None:
        """Queue a client, if it has to catch up."""
        if client.is_behind and not client.in_catch_up:
            client.in_catch_up = True
            self._clients.append(client)

    def wake(self, subscription: ClientSubscription[Owner]) -> None:
        """A subscription can go on: its room has reached its cursor, or what it waited for has come."""
        subscription.client.wake(subscription)
        self.add(subscription.client)

    def take_steps(self, budget: Budget, now: Now) -> Iterator[Effect[Owner]]:
        """Let clients take a step each, in turns."""
        bytes_left = budget.catch_up_bytes
        for _ in range(budget.catch_up_steps):
            if not self._clients or bytes_left <= 0:
                return
            client = self._clients.popleft()
            client.in_catch_up = False
            subscription = client.next_behind()
            if subscription is None:
                continue
            step = subscription.catch_up()
            bytes_left -= len(step.data)
            yield from self.write_step(subscription, step, now)

    def write_step(self, subscription: ClientSubscription[Owner], step: Step, now: Now) -> Iterator[Effect[Owner]]:
        """Write what a step brings, and go on as it says."""
        client = subscription.client
        yield from self.write(client, step.data, now)
        if step.next in _ELSEWHERE:
            self.wanting.append((subscription, step.next))
        else:
            client.after_step(subscription, step)
        if client.closing is not None:
            yield from client.take_effects(now)
        else:
            self.add(client)

    def write(self, client: Client[Owner], data: bytes, now: Now) -> Iterator[Effect[Owner]]:
        """Write to one client; no bytes are not a write."""
        if data:
            client.last_write_ms = now.loop_ms
            yield Delivery(data, [client.write])

    def take_wanting(self) -> list[tuple[ClientSubscription[Owner], NextStep]]:
        """Take the subscriptions that need the store or the log since the last call."""
        wanting, self.wanting = self.wanting, []
        return wanting
