"""What the clients of an edge that drained went through: whether they left evenly, and came back at once, once. Pure.

The bounds are the promises of docs/fleet.md. Event streams are left out: they do not learn which edge they are on.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from touchline_protocol.codes import GOING_AWAY

from .closes import Cause, Close, Opening

TENTHS = 10
SHARE_MAX = 0.2
"""The largest share of the clients that may leave within a tenth of the time. Of an even spread it is a tenth, and a
busy machine reads some of the closes late."""
CLIENTS_MIN = 50
"""With fewer clients than this, a tenth of the time has so few that their share says nothing."""


class Drain(NamedTuple):
    """One drain. ``left_ms`` is when each client left, ``away_ms`` how long each was without a connection.

    ``twice`` are clients that were sent away more than once, ``refused`` those whose attempts to come back failed, and
    ``gone`` those that did not come back before the end of the run.
    """

    edge: str
    began_ms: float
    left_ms: Sequence[float]
    away_ms: Sequence[float]
    twice: frozenset[str]
    refused: frozenset[str]
    gone: frozenset[str]

    @property
    def largest_share(self) -> float:
        """The largest share of the clients that left within one tenth of the time in which they left; 0 if none did."""
        if not self.left_ms:
            return 0.0
        first, last = min(self.left_ms), max(self.left_ms)
        span = max(last - first, 1.0)
        tenths = Counter(min(TENTHS - 1, int((at - first) * TENTHS / span)) for at in self.left_ms)
        return max(tenths.values()) / len(self.left_ms)


def drains(causes: Iterable[Cause], openings: Iterable[Opening], closes: Iterable[Close]) -> list[Drain]:
    """Each drain of a run, in order."""
    opened: defaultdict[str, list[float]] = defaultdict(list)
    for opening in openings:
        opened[opening.client].append(opening.at_ms)
    ended = sorted(closes, key=lambda close: close.at_ms)
    begun = sorted((cause for cause in causes if cause.kind == "edge_drained"), key=lambda cause: cause.at_ms)
    return [_drain(cause, opened, ended) for cause in begun]


def _drain(cause: Cause, opened: dict[str, list[float]], closes: Sequence[Close]) -> Drain:
    end_ms = cause.at_ms if cause.end_ms is None else cause.end_ms
    within = [close for close in closes if cause.at_ms <= close.at_ms <= end_ms]
    left: dict[str, float] = {}
    twice: set[str] = set()
    refused: set[str] = set()
    for close in within:
        if close.edge and (close.sent_away or close.code == GOING_AWAY.code):
            if close.client in left:
                twice.add(close.client)
            elif close.edge == cause.edge:
                left[close.client] = close.at_ms
        elif not close.edge and close.client in left and not _back_ms(opened, close.client, left, close.at_ms):
            refused.add(close.client)
    back = {client: min((at for at in opened.get(client, ()) if at >= left[client]), default=None) for client in left}
    away = [at - left[client] for client, at in back.items() if at is not None]
    gone = frozenset(client for client, at in back.items() if at is None)
    return Drain(cause.edge, cause.at_ms, list(left.values()), away, frozenset(twice), frozenset(refused), gone)


def _back_ms(opened: dict[str, list[float]], client: str, left: dict[str, float], by_ms: float) -> bool:
    """Whether a client was back by then."""
    return any(left[client] <= at < by_ms for at in opened.get(client, ()))
