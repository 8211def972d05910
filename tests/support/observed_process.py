"""A process of Locust without Locust: what its observed clients report and record, and a clock that tests set."""

from typing import Any

from touchline_loadtest.checks.actions import Acted
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.trace import Trace, TraceSink
from touchline_loadtest.locust.observe.latency import LatencyMeter
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.observe.referee import Referee
from touchline_loadtest.locust.observe.shared import Shared, Values
from touchline_loadtest.locust.observe.surprises import Surprises
from touchline_protocol.messages import Deliver, Event, Hello, Limits, RoomRequest, Subscribe, Subscribed, Welcome

ROOM = "score:1"
EPOCH = "e"
WELCOME = Welcome(session="s", edge="edge-1", heartbeat_ms=1000, limits=Limits(1024, 5), time=0)
ADDRESS = "203.0.113.7:8080"
NOW_MS = 1_700_000_000_000.0


class Notes:
    """Everything that a client reports and records."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self.failures: list[tuple[str, str]] = []
        self.breaches: list[Breach] = []
        self.open = 0
        self.traces: dict[str, Trace] = {}
        self.closes: list[Close] = []
        self.causes: list[Cause] = []
        self.openings: list[Opening] = []

    def opened(self, opening: Opening) -> None:
        self.openings.append(opening)

    def duration(self, name: str, ms: float) -> None:
        self.times.append((name, round(ms, 3)))

    def event(self, name: str, ms: float, size_bytes: int) -> None:
        self.times.append((name, round(ms, 3)))

    def connections(self, change: int) -> None:
        self.open += change

    def failure(self, name: str, ms: float, text: str) -> None:
        self.failures.append((name, text))

    def breach(self, breach: Breach, cause: str = "") -> None:
        self.breaches.append(breach)

    def trace(self, room: str, deliver: Deliver) -> TraceSink:
        return self.traces.setdefault(room, Trace("ada", room, deliver))

    def closed(self, close: Close) -> None:
        self.closes.append(close)

    def cause(self, cause: Cause) -> None:
        self.causes.append(cause)

    def acted(self, acted: Acted) -> None:
        raise AssertionError

    @property
    def kinds(self) -> list[str]:
        return [breach.kind for breach in self.breaches]


class Process:
    """A process with observed clients, and a clock that tests set."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.surprises = Surprises()
        self.now_ms = NOW_MS
        self.shared = Shared(self.notes, Referee(), LatencyMeter(), self.surprises, Values(), lambda: self.now_ms)

    def observer(self, **options: Any) -> Observer:
        """A client that has not connected yet."""
        return Observer("ada", self.shared, self.notes, address=ADDRESS, **options)

    def client(self, **options: Any) -> Observer:
        """A client that has been welcomed."""
        observer = self.observer(**options)
        observer.connecting(1.0)
        observer.connected(1.1)
        observer.sent(Hello())
        observer.arrived(1.2, round(self.now_ms * 1e6))
        observer.received(WELCOME, 50)
        return observer

    def joined(self, head: int = 0, *, state: list[Event] | None = None, **options: Any) -> Observer:
        """A client in the room."""
        observer = self.client(**options)
        join(observer, head, state=state or [])
        return observer


def join(observer: Observer, head: int = 0, *, after: int | None = None, number: int = 1, **answer: Any) -> None:
    epoch = None if after is None else EPOCH
    observer.sent(Subscribe([RoomRequest(ROOM, epoch, after)], number))
    recovered = after is not None
    observer.received(Subscribed(ROOM, EPOCH, head, **({"recovered": recovered, "id": number} | answer)), 100)


def event(offset: int, prev: int | None = None, *, key: str | None = None, data: Any = 1, **more: Any) -> Event:
    return Event(ROOM, offset, offset - 1 if prev is None else prev, round(NOW_MS) - 5, data, key, **more)
