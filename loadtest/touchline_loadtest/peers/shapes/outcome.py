"""What a phase did to one peer's clients, as numbers. Pure: from ledgers to structs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from touchline_loadtest.measure.findings import percentile_ms

from .ledger import ClientLedger, Range


class Delays(msgspec.Struct, frozen=True):
    """How long something took, in milliseconds."""

    p50: float
    p99: float
    max: float


class Outcome(msgspec.Struct, frozen=True):
    """The findings of one phase.

    ``due`` counts events times the clients that should have received them, ``lost`` those of them that never arrived.
    ``returns`` are reconnects after which a client had something to catch up with, ``caught_up`` those that brought it
    all of that, and ``replay_ms`` how long those took from the beginning of the reconnect. ``losers`` are the clients
    that lack events, and ``unaware`` those of them that were not told so.
    """

    due: int
    lost: int
    duplicates: int
    out_of_order: int
    returns: int
    caught_up: int
    replay_ms: Delays | None
    losers: int
    unaware: int
    dropped: int
    refused: int

    @property
    def delivered_percent(self) -> float:
        """The share of the events that arrived."""
        return 100.0 if not self.due else 100 * (1 - self.lost / self.due)


class Watched(Protocol):
    """A client as this module sees it: `crowd.Viewer` is one."""

    ledger: ClientLedger
    gaps_reported: int
    dropped: int
    refused: int


def outcome(viewers: Sequence[Watched], published: Mapping[str, Range]) -> Outcome:
    """Sum up a phase in which ``published`` had the events of each room."""
    ledgers = [viewer.ledger for viewer in viewers]
    lacking = [ledger.lacking(published) for ledger in ledgers]
    replays = [replay for ledger in ledgers for replay in ledger.replays]
    durations = [replay.duration_ns for replay in replays if replay.duration_ns is not None]
    sizes = {room: last - first + 1 for room, (first, last) in published.items()}
    return Outcome(
        due=sum(sizes[room] for ledger in ledgers for room in ledger.rooms),
        lost=sum(lacking),
        duplicates=sum(ledger.duplicates for ledger in ledgers),
        out_of_order=sum(ledger.swaps for ledger in ledgers),
        returns=len(replays),
        caught_up=len(durations),
        replay_ms=delays(durations),
        losers=sum(count > 0 for count in lacking),
        unaware=sum(count > 0 and not viewer.gaps_reported for viewer, count in zip(viewers, lacking, strict=True)),
        dropped=sum(viewer.dropped for viewer in viewers),
        refused=sum(viewer.refused for viewer in viewers),
    )


def delays(durations_ns: Sequence[int]) -> Delays | None:
    """Their percentiles; None without any."""
    if not durations_ns:
        return None
    return Delays(
        round(percentile_ms(durations_ns, 50), 3),
        round(percentile_ms(durations_ns, 99), 3),
        round(max(durations_ns) / 1_000_000, 3),
    )


def share(found: Outcome) -> str:
    """The share that was delivered. One that is not complete never looks as if it were."""
    percent = found.delivered_percent
    return "100 %" if not found.lost else f"{min(percent, 99.99):.2f} %"
