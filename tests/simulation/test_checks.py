"""The checks of a simulation find what they are there for: a server that breaks a promise."""

from collections.abc import Callable, Sequence

import pytest

from simulation.client import SimClient
from simulation.simulation import Simulation
from simulation.tampering import FROM_US, Tampering, change, drop, duplicate, forget_a_key, lose_the_end, swap
from simulation.world import SECOND_US

SEED = 18
NUMBER = 1
CALM_S = 30
"""Nothing goes wrong in these runs but what the tests do."""


def join_again(client: SimClient) -> None:
    name = next(iter(client.rooms))
    client.leave(name)
    client.follow(name, "all")


@pytest.mark.parametrize("spoil", [drop, duplicate, swap, change, forget_a_key, lose_the_end])
def test_a_broken_delivery_is_found(spoil: Callable[[Tampering, list[bytes]], list[bytes] | None]) -> None:
    simulation = Simulation(SEED)
    client = simulation.clients[NUMBER]
    tampering = client.tamper = Tampering(simulation.world, client.session.codec, spoil)
    simulation.world.at(FROM_US + SECOND_US, join_again, client)
    findings = simulation.run(trouble_s=0, calm_s=CALM_S).findings
    assert tampering.is_done or spoil is lose_the_end
    assert findings
    assert all(f"client {NUMBER} " in finding for finding in findings)


def test_nothing_is_found_where_nothing_is_broken() -> None:
    assert Simulation(SEED).run(trouble_s=0, calm_s=CALM_S).findings == []


def without_the_first(values: Sequence[bytes]) -> Sequence[bytes]:
    return values[1:]


def backwards(values: Sequence[bytes]) -> Sequence[bytes]:
    return values[::-1]


@pytest.mark.parametrize("spoil", [without_the_first, backwards])
def test_a_broken_append_is_found(spoil: Callable[[Sequence[bytes]], Sequence[bytes]]) -> None:
    simulation = Simulation(SEED)
    simulation.site.action_log.tamper = spoil
    assert simulation.run(trouble_s=0, calm_s=CALM_S).findings
