"""The comparison with real servers: every clone has three of them; the long tests use all that are installed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from support.waiting import DEADLINE_S, eventually
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.peers.catalogue import PEERS
from touchline_loadtest.peers.client import PeerClient, join
from touchline_loadtest.peers.fan_out.comparison import Entry, choose, compare
from touchline_loadtest.peers.fan_out.observer import Observer
from touchline_loadtest.peers.fan_out.results import Numbers, PeerResult, Sizes
from touchline_loadtest.peers.peer import Peer, PeerMissing, PeerServer, Received, RoomStart
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.errors import OperatorError

SIZES = Sizes(
    clients=20,
    rate_hz=50,
    seconds=0.2,
    runs=2,
    step_seconds=0.2,
    warm_up_s=0.1,
    settle_s=0.1,
    first_deliveries_per_s=1000,
    most_deliveries_per_s=1000,
)
ROOM = "match:1"
BENCH = Bench(Cores(None, None))
EVERYWHERE = ("c-send-loop", "touchline", "python-websockets")


def why_missing(peer: Peer) -> str:
    try:
        peer.version()
    except PeerMissing as error:
        return str(error)
    return ""


RECOVERING = [peer for peer in PEERS.values() if peer.recovers and not why_missing(peer)]


def numbers_of(result: PeerResult) -> Numbers:
    assert result.numbers is not None, result.missing
    return result.numbers


class LostPeer:
    """Touchline, but nobody can join it: its port is that of nobody."""

    name = package = note = "lost"
    recovers = False

    def version(self) -> str:
        return "0"

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        async with PEERS["c-send-loop"].serve(bench, folder, recovery=recovery) as server:
            yield server._replace(port=1)


class AbsentPeer(LostPeer):
    """Not installed."""

    def version(self) -> str:
        raise PeerMissing("it is not in the registry")


async def compare_into(folder: Path, entries: Sequence[Entry]) -> list[PeerResult]:
    with RunWriter.create(folder, RunInfo("Peers", "peers", 0)) as writer:
        return await compare(entries, BENCH, SIZES, Observer(lambda _: None, writer))


async def test_peers_that_every_clone_has_do_the_same_task_and_others_do_not_stop_the_run(tmp_path: Path) -> None:
    others = [Entry("absent", AbsentPeer()), Entry("lost", LostPeer())]
    absent, lost, *results = await compare_into(tmp_path / "run", [*others, *choose(EVERYWHERE)])
    assert absent.missing == "it is not in the registry"
    assert lost.numbers is None
    for result in results:
        numbers = numbers_of(result)
        assert numbers.wrong == 0
        assert len(numbers.cpu_us_runs) == 2
        assert 0 < min(numbers.cpu_us_runs) <= numbers.cpu_us <= max(numbers.cpu_us_runs)
        assert 0 < numbers.p50_ms <= numbers.p99_ms
        assert numbers.connects_per_s > 0
    run = RunReader(tmp_path / "run")
    assert [mark.text for mark in run.marks()] == ["lost", "c-send-loop", "touchline", "python-websockets"]
    assert {s.labels["peer"] for s in run.samples() if s.series == "event_latency"} == set(EVERYWHERE)


def test_a_name_that_is_unknown_is_the_users_error() -> None:
    assert [entry.name for entry in choose([])] == list(PEERS)
    with pytest.raises(OperatorError, match="nats"):
        choose(["natz"])
    with pytest.raises(OperatorError):
        choose(["touchline-kafka"])
    assert [entry.name for entry in choose(["touchline-kafka"], lambda: contextlib.nullcontext("k:9092"))] == [
        "touchline-kafka"
    ]


@pytest.mark.long
@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
async def test_every_peer_does_the_task(peer: Peer, tmp_path: Path) -> None:
    (result,) = await compare_into(tmp_path / "run", [Entry(peer.name, peer)])
    if why := why_missing(peer):
        assert (result.numbers, result.missing) == (None, why)
    else:
        assert numbers_of(result).wrong == 0
        assert result.version == peer.version()


@pytest.mark.long
@pytest.mark.parametrize("peer", RECOVERING, ids=lambda peer: peer.name)
async def test_a_client_that_comes_back_gets_what_it_missed(peer: Peer, tmp_path: Path) -> None:
    numbers: list[int] = []

    def note(events: Sequence[Received], _now_ns: int) -> None:
        numbers.extend(event.number for event in events)

    async with peer.serve(BENCH, tmp_path, recovery=True) as server:

        async def come(after: str | None = None) -> PeerClient:
            return await join(server.dialect, server.port, [RoomStart(ROOM, after)], note)

        async def publish(*which: int) -> None:
            await server.publish(ROOM, [event_value(0, 100, number) for number in which])

        client = await come()
        await publish(0, 1)
        await eventually(lambda: numbers == [0, 1])
        client.close()
        await asyncio.wait_for(client.gone.wait(), DEADLINE_S)
        await publish(2, 3)
        client = await come(client.reader.positions[ROOM])
        await publish(4)
        await eventually(lambda: numbers == [0, 1, 2, 3, 4])
        assert client.reader.recovered.get(ROOM, True)
        assert client.lost is None
        client.close()
