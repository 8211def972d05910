"""The catch-up queue: clients that are behind take turns, one step each, within a turn's budget.

Each step's bytes are written before the next step is taken, so that flow control has a say in between: a client that
takes no more is skipped until it does.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic

from .clients.client import Client, ClientSubscription
from .clocks import Now
from .counters.edge import ClientCounters
from .effects import Effect, Owner
from .rooms.room import Delivery
from .subscription import NextStep, Phase, Step
from .write_scheduler import Budget

# Not a set: an enum's hash is a call in Python.
_ELSEWHERE = (NextStep.STORE, NextStep.LOG, NextStep.LOG_END, NextStep.PLACE)


class CatchUpQueue(Generic[Owner]):
    """The clients that have to catch up.

    ``wanting`` collects the subscriptions whose next step needs the store or the log, for the caller to take.
    """

    def __init__(self, counters: ClientCounters) -> None:
        self._counters = counters
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
            # Not `write_step`: its generators would cost a storm of joins some percent.
            if step.data:
                bytes_left -= len(step.data)
                client.last_write_ms = now.loop_ms
                yield Delivery(step.data, [client.write])
            yield from self._after_step(subscription, step, now)

    def write_step(self, subscription: ClientSubscription[Owner], step: Step, now: Now) -> Iterator[Effect[Owner]]:
        """Write what a step brings, and go on as it says."""
        yield from self.write(subscription.client, step.data, now)
        yield from self._after_step(subscription, step, now)

    def write(self, client: Client[Owner], data: bytes, now: Now) -> Iterator[Effect[Owner]]:
        """Write to one client; no bytes are not a write."""
        if data:
            client.last_write_ms = now.loop_ms
            yield Delivery(data, [client.write])

    def _after_step(self, subscription: ClientSubscription[Owner], step: Step, now: Now) -> Sequence[Effect[Owner]]:
        """The step's bytes have been written: go on as it says."""
        client = subscription.client
        if step.next in _ELSEWHERE:
            self.wanting.append((subscription, step.next))
        else:
            client.after_step(subscription, step)
            if subscription.source is not None and subscription.phase is Phase.LIVE:
                self._counters.caught_up[subscription.source] += 1
                subscription.source = None
        if client.closing is not None:
            return client.take_effects(now)
        self.add(client)
        return ()

    def take_wanting(self) -> list[tuple[ClientSubscription[Owner], NextStep]]:
        """Take the subscriptions that need the store or the log since the last call."""
        wanting, self.wanting = self.wanting, []
        return wanting
