"""The comparison: every peer does the same task, one after the other.

A peer that cannot be measured becomes a row that says why.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_protocol.errors import OperatorError

from .catalogue import PEERS
from .fan_out import measure_peer
from .observer import Observer
from .peer import Peer, PeerFailed, PeerMissing
from .results import PeerResult, Sizes


class Entry(NamedTuple):
    """One row: a peer, and what it is called. Only ours takes events from ``kafka``."""

    name: str
    peer: Peer
    kafka: str | None = None


def choose(names: Sequence[str], kafka: str | None) -> list[Entry]:
    """The rows with these names; without names, all of them. With a broker, ours is measured with it as well.

    Raises:
        OperatorError: there is no such peer.
    """
    entries = [Entry(name, peer) for name, peer in PEERS.items()]
    if kafka is not None:
        ours = next(index for index, entry in enumerate(entries) if entry.name == "touchline")
        entries.insert(ours + 1, Entry("touchline-kafka", entries[ours].peer, kafka))
    known = [entry.name for entry in entries]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
            raise OperatorError(f"there is no peer {name!r}{hint}")
    return [entry for entry in entries if not names or entry.name in names]


async def compare(entries: Sequence[Entry], bench: Bench, sizes: Sizes, observer: Observer) -> list[PeerResult]:
    """Measure all of them."""
    return [await _one(entry, bench._replace(kafka=entry.kafka), sizes, observer) for entry in entries]


async def _one(entry: Entry, bench: Bench, sizes: Sizes, observer: Observer) -> PeerResult:
    peer, version = entry.peer, ""
    observer.say(f"{entry.name}: starts")
    try:
        version = peer.version()
        numbers, found = await measure_peer(entry.name, peer, bench, sizes, observer)
    except (PeerMissing, PeerFailed, ProcessFailed, ClientsFailed, OSError) as error:
        reason = str(error) or type(error).__name__
        observer.say(f"{entry.name}: not measured: {reason}")
        return PeerResult(entry.name, version, peer.package, peer.note, missing=reason)
    return PeerResult(entry.name, version, peer.package, peer.note, numbers, doubts=[str(doubt) for doubt in found])
