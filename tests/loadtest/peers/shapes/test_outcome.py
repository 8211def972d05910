"""The numbers of a phase, and when and whom it cuts."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.peers.shapes.ledger import ClientLedger
from touchline_loadtest.peers.shapes.outcome import delays, outcome, share
from touchline_loadtest.peers.shapes.schedule import jitter

ROOM = "match:1"


class Client:
    """A viewer without a connection."""

    def __init__(self, *numbers: int, gaps_reported: int = 0) -> None:
        self.ledger = ClientLedger({ROOM: 0})
        self.ledger.note([(ROOM, number) for number in numbers], 1)
        self.gaps_reported = gaps_reported
        self.dropped = 0
        self.refused = 1


PUBLISHED: Mapping[str, tuple[int, int]] = {ROOM: (1, 4)}


def test_lost_events_are_counted_and_the_clients_that_were_not_told() -> None:
    found = outcome([Client(1, 2, 3, 4), Client(1, 4), Client(2, 3, 4, gaps_reported=1)], PUBLISHED)
    assert (found.due, found.lost, found.losers, found.unaware, found.refused) == (12, 3, 2, 1, 3)
    assert found.delivered_percent == pytest.approx(75)


def test_returns_that_caught_up_are_told_from_those_that_did_not() -> None:
    whole, torn = Client(1), Client(1)
    for client in (whole, torn):
        client.ledger.came_back({ROOM: 3}, 1_000_000)
    whole.ledger.note([(ROOM, 2), (ROOM, 3)], 6_000_000)
    torn.ledger.note([(ROOM, 3)], 6_000_000)
    found = outcome([whole, torn], {ROOM: (1, 3)})
    assert (found.returns, found.caught_up) == (2, 1)
    assert found.replay_ms is not None
    assert found.replay_ms.p50 == found.replay_ms.max == 5


def test_a_share_that_is_not_whole_never_looks_whole() -> None:
    clients = [Client(1, 2, 3, 4)] * 15_000
    assert share(outcome(clients, PUBLISHED)) == "100 %"
    assert share(outcome([*clients, Client(1, 2, 3)], PUBLISHED)) == "99.99 %"


def test_nothing_has_no_percentiles() -> None:
    assert delays([]) is None


@given(clients=st.integers(0, 50), within_s=st.floats(0, 60), away_max_s=st.floats(0, 30), seed=st.integers(0, 2**32))
def test_the_jitter_cuts_every_client_once_and_is_the_same_for_a_seed(
    clients: int, within_s: float, away_max_s: float, seed: int
) -> None:
    absences = jitter(clients, within_s=within_s, away_max_s=away_max_s, seed=seed)
    assert sorted(absence.client for absence in absences) == list(range(clients))
    assert all(0 <= absence.cut_s <= within_s for absence in absences)
    assert all(0 <= absence.back_s - absence.cut_s <= away_max_s + 1e-6 for absence in absences)
    assert list(absences) == sorted(absences, key=lambda absence: absence.cut_s)
    assert absences == jitter(clients, within_s=within_s, away_max_s=away_max_s, seed=seed)
