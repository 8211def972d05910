"""The comparison: every peer does the same task, one after the other.

A peer that cannot be measured becomes a row that says why.
"""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from touchline_cli.suggestions import did_you_mean_or_all
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.peers.catalogue import PEERS
from touchline_loadtest.peers.peer import Peer, PeerFailed, PeerMissing
from touchline_protocol.errors import OperatorError

from .measure import measure_peer
from .observer import Observer
from .results import PeerResult, Sizes

Broker = Callable[[], AbstractAsyncContextManager[str]]


FROM_KAFKA = "defaults; events from Kafka, whose broker shares the clients' core"


class Entry(NamedTuple):
    """One row: a peer, and what it is called. ``broker`` is open while it is measured, and yields an address.

    Only ours can take its events from a broker.
    """

    name: str
    peer: Peer
    broker: Broker | None = None

    @property
    def note(self) -> str:
        """How it is configured and published to."""
        return self.peer.note if self.broker is None else FROM_KAFKA


def choose(names: Sequence[str], broker: Broker | None = None) -> list[Entry]:
    """The rows with these names; without names, all of them. With a ``broker``, ours is measured with it as well.

    Raises:
        OperatorError: there is no such peer.
    """
    entries = [Entry(name, peer) for name, peer in PEERS.items()]
    if broker is not None:
        ours = next(index for index, entry in enumerate(entries) if entry.name == "touchline")
        entries.insert(ours + 1, Entry("touchline-kafka", entries[ours].peer, broker))
    known = [entry.name for entry in entries]
    for name in names:
        if name not in known:
            raise OperatorError(f"there is no peer {name!r}{did_you_mean_or_all(name, known)}")
    return [entry for entry in entries if not names or entry.name in names]


async def compare(entries: Sequence[Entry], bench: Bench, sizes: Sizes, observer: Observer) -> list[PeerResult]:
    """Measure all of them."""
    results = []
    for entry in entries:
        async with entry.broker() if entry.broker is not None else contextlib.nullcontext() as kafka:
            results.append(await _one(entry, bench._replace(kafka=kafka), sizes, observer))
    return results


async def _one(entry: Entry, bench: Bench, sizes: Sizes, observer: Observer) -> PeerResult:
    peer, version = entry.peer, ""
    observer.say(f"{entry.name}: starts")
    try:
        version = peer.version()
        numbers, found = await measure_peer(entry.name, peer, bench, sizes, observer)
    except (PeerMissing, PeerFailed, ProcessFailed, ClientsFailed, OSError) as error:
        reason = str(error) or type(error).__name__
        observer.say(f"{entry.name}: not measured: {reason}")
        return PeerResult(entry.name, version, peer.package, entry.note, missing=reason)
    return PeerResult(entry.name, version, peer.package, entry.note, numbers, doubts=[str(doubt) for doubt in found])
