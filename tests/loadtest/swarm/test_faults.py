"""The swarm against a server that misbehaves on purpose: each fault must be found, whoever it hits."""

from collections import Counter
from collections.abc import Sequence

import pytest

from support.faulty_server import ROOM, Fault, faulty_server
from touchline_loadtest.swarm.plan import Edge, Settings, Shape
from touchline_loadtest.swarm.result import Outcome
from touchline_loadtest.swarm.run import run_swarm
from touchline_protocol.messages import Event

WITNESS, COUNTER = 0, 3
"""With four clients, of which one is the sample: it connects first."""
FRESH = 4
"""The client that joins at the end, to compare states."""
BEFORE = 20
"""Events that a client receives before the fault."""


def settings(port: int, shape: Shape = Shape.STEADY) -> Settings:
    return Settings([Edge("127.0.0.1", port)], [ROOM], clients=4, sample=1, seconds=0.5, shape=shape)


def kinds(outcome: Outcome) -> Counter[str]:
    return Counter(breach.kind for breach in outcome.breaches)


def measured(outcome: Outcome, what: str) -> object:
    return next(row.measured for row in outcome.rows if row.what == what)


@pytest.mark.long
async def test_a_server_without_faults_passes_through_an_avalanche() -> None:
    async with faulty_server() as (_, port):
        outcome = await run_swarm(settings(port, Shape.AVALANCHE))
    assert not outcome.failed, outcome.breaches
    assert measured(outcome, "counters that match to the byte") == 3
    assert measured(outcome, "most connections") == 4


def missing(client: int) -> Fault:
    return lambda number, before, event: [] if (number, before) == (client, BEFORE) else [event]


def doubled(client: int) -> Fault:
    return lambda number, before, event: [event, event] if (number, before) == (client, BEFORE) else [event]


def changed(number: int, before: int, event: Event) -> Sequence[Event]:
    hit = (number, before) == (COUNTER, BEFORE)
    return (
        [Event(room=ROOM, offset=event.offset, prev=event.prev, ts=0, data={"n": -1234567}, key="k")]
        if hit
        else [event]
    )


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (missing(COUNTER), "wrong_bytes"),
        pytest.param(doubled(COUNTER), "wrong_bytes", marks=pytest.mark.long),
        pytest.param(changed, "wrong_bytes", marks=pytest.mark.long),
        pytest.param(missing(WITNESS), "gap", marks=pytest.mark.long),
        pytest.param(doubled(WITNESS), "doubled", marks=pytest.mark.long),
    ],
    ids=["counter misses an event", "counter twice", "counter another", "sample misses an event", "sample twice"],
)
async def test_a_wrong_event_is_found(fault: Fault, kind: str) -> None:
    async with faulty_server(fault) as (_, port):
        outcome = await run_swarm(settings(port))
    assert outcome.failed
    assert kinds(outcome) == {kind: 1}
    [breach] = outcome.breaches
    assert (breach.client == "client-1") is (kind != "wrong_bytes")


@pytest.mark.long
@pytest.mark.parametrize("client", [WITNESS, COUNTER])
async def test_a_lost_connection_is_found(client: int) -> None:
    async with faulty_server(close_at=(client, BEFORE)) as (_, port):
        outcome = await run_swarm(settings(port))
    assert outcome.failed
    assert kinds(outcome) == {"unexplained_close": 1}


@pytest.mark.long
async def test_clients_whose_hello_came_too_late_try_again() -> None:
    async with faulty_server() as (server, port):
        server.hello_timeouts |= {WITNESS, COUNTER + 1}
        outcome = await run_swarm(settings(port))
    assert not outcome.failed, outcome.breaches
    assert measured(outcome, "connects tried again after hello_timeout") == 2
    assert measured(outcome, "counters that match to the byte") == 3


@pytest.mark.long
async def test_a_cursor_that_is_not_honoured_is_found() -> None:
    async with faulty_server(honours_cursors=False) as (_, port):
        outcome = await run_swarm(settings(port, Shape.AVALANCHE))
    assert outcome.failed
    assert kinds(outcome)["lost_cursor"] == 4


@pytest.mark.long
async def test_a_state_that_differs_is_found() -> None:
    async with faulty_server() as (server, port):
        server.wrong_states.add(FRESH)
        outcome = await run_swarm(settings(port))
    assert outcome.failed
    assert kinds(outcome)["states_differ"] == 1
