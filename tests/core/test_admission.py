"""How many connections an edge takes: from one address, and per second."""

from collections import Counter

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from touchline_server.core.admission.admission import REFUSED_MAX, REFUSED_PER_ADDRESS_MAX, Admission
from touchline_server.core.admission.limits import AdmissionLimits, Excess, Limit
from touchline_server.core.clocks import LoopMs
from touchline_server.core.rate import Rate

NOW = LoopMs(1_000)


def test_an_address_has_so_many_connections_and_gets_room_when_one_is_gone() -> None:
    admission: Admission[int] = Admission(AdmissionLimits(connections_per_address_max=2))
    for owner in range(3):
        assert admission.admit(owner, "a", NOW)
    assert [admission.excess(owner) for owner in range(3)] == [None, None, Excess(Limit.ADDRESS_CONNECTIONS, "a")]
    assert admission.admit(3, "b", NOW)
    assert admission.excess(3) is None
    admission.lost(2, NOW)
    admission.lost(0, NOW)
    admission.admit(4, "a", NOW)
    assert admission.excess(4) is None


def test_a_connection_without_an_address_counts_for_nobody() -> None:
    admission: Admission[int] = Admission(AdmissionLimits(connections_per_address_max=1))
    for owner in range(10):
        assert admission.admit(owner, None, NOW)
        assert admission.excess(owner) is None
    assert admission.known_addresses == 0


def test_a_refusal_says_when_there_is_room_again() -> None:
    admission: Admission[int] = Admission(AdmissionLimits(connects=Rate(per_second_max=2, burst=1)))
    admission.admit(0, "a", NOW)
    admission.admit(1, "b", NOW)
    excess = admission.excess(1)
    assert excess is not None
    assert (excess.limit, excess.limit.is_of_address) == (Limit.CONNECTS, False)
    admission.admit(2, "c", LoopMs(NOW + excess.wait_ms))
    assert admission.excess(2) is None


def test_a_flood_from_one_address_takes_nothing_from_the_rate_for_all() -> None:
    limits = AdmissionLimits(
        connects=Rate(per_second_max=1, burst=5), connects_per_address=Rate(per_second_max=0.001, burst=2)
    )
    admission: Admission[int] = Admission(limits)
    for owner in range(100):
        admission.admit(owner, "flood", NOW)
    assert {admission.excess(owner).limit for owner in range(2, 10)} == {Limit.ADDRESS_CONNECTS}  # type: ignore[union-attr]
    for owner in range(100, 103):
        admission.admit(owner, f"other {owner}", NOW)
        assert admission.excess(owner) is None


def test_only_a_few_connections_wait_for_their_refusal_and_fewer_of_one_address() -> None:
    limits = AdmissionLimits(connections_per_address_max=1, connects=Rate(per_second_max=0.001, burst=1_000))
    admission: Admission[int] = Admission(limits)
    kept = [admission.admit(owner, "flood", NOW) for owner in range(100)]
    assert sum(kept) == 1 + REFUSED_PER_ADDRESS_MAX
    assert all(kept[: 1 + REFUSED_PER_ADDRESS_MAX])

    limits = AdmissionLimits(connects=Rate(per_second_max=0.001, burst=1))
    admission = Admission(limits)
    assert sum(admission.admit(owner, None, NOW) for owner in range(200)) == 1 + REFUSED_MAX
    for owner in range(200):
        admission.lost(owner, NOW)
    assert admission.admit(200, None, NOW)


def test_connections_from_before_a_limit_count_once_there_is_one() -> None:
    admission: Admission[int] = Admission(AdmissionLimits())
    admission.admit(0, "a", NOW)
    admission.count(0, "a")
    admission.count(0, "a")
    admission.limits = AdmissionLimits(connections_per_address_max=1)
    admission.admit(1, "a", NOW)
    assert admission.excess(1) is not None
    admission.lost(1, NOW)
    admission.lost(0, NOW)
    admission.admit(2, "a", NOW)
    assert admission.excess(2) is None


@pytest.mark.parametrize("limits", [AdmissionLimits(), AdmissionLimits(connects=Rate(per_second_max=1e6, burst=10))])
def test_nothing_is_kept_of_addresses_without_a_limit_for_them(limits: AdmissionLimits) -> None:
    admission: Admission[int] = Admission(limits)
    admission.admit(0, "a", NOW)
    assert admission.known_addresses == 0


class AdmissionMachine(RuleBasedStateMachine):
    """Compares with a model that counts, whatever order connections come and go in."""

    def __init__(self) -> None:
        super().__init__()
        rate = Rate(per_second_max=1, burst=4)
        self.admission: Admission[int] = Admission(AdmissionLimits(3, None, rate))
        self.now = LoopMs(0)
        self.number = 0
        self.admitted: dict[int, str] = {}

    connections = Bundle("connections")

    @rule(target=connections, address=st.sampled_from("abc"))
    def accept(self, address: str) -> int:
        self.number += 1
        before = Counter(self.admitted.values())[address]
        self.admission.admit(self.number, address, self.now)
        excess = self.admission.excess(self.number)
        assert (excess is not None and excess.limit is Limit.ADDRESS_CONNECTIONS) == (before >= 3)
        if excess is None:
            self.admitted[self.number] = address
        return self.number

    @rule(connection=consumes(connections))
    def lose(self, connection: int) -> None:
        self.admission.lost(connection, self.now)
        self.admitted.pop(connection, None)

    @rule(ms=st.integers(0, 5_000))
    def wait(self, ms: int) -> None:
        self.now = LoopMs(self.now + ms)
        self.admission.tick(self.now)

    @rule()
    def forget(self) -> None:
        """Once all is over, nothing is left."""
        if not self.admitted:
            self.now = LoopMs(self.now + 10_000)
            self.admission.tick(self.now)

    @invariant()
    def keeps_what_it_must(self) -> None:
        assert self.admission.known_addresses >= len(set(self.admitted.values()))
        assert self.admission.known_addresses <= 3


def test_addresses_are_forgotten_when_their_rate_is_as_good_as_new() -> None:
    admission: Admission[int] = Admission(AdmissionLimits(3, None, Rate(per_second_max=1, burst=4)))
    for owner in range(1_000):
        admission.admit(owner, f"address {owner}", NOW)
        admission.lost(owner, NOW)
    admission.tick(NOW)
    assert admission.known_addresses == 1_000
    admission.admit(1_000, "address 0", NOW)
    admission.tick(LoopMs(NOW + 5_000))
    assert admission.known_addresses == 1
    admission.lost(1_000, LoopMs(NOW + 5_000))
    assert admission.known_addresses == 0


TestAdmission = AdmissionMachine.TestCase
TestAdmission.settings = hypothesis_settings(max_examples=50, stateful_step_count=30)
