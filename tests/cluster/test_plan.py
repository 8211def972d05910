"""The plan of a cluster run is the same for the same seed, and does not leave a fault out."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.plan import BROKER_FAULTS, EDGE_FAULTS, TOPIC_FAULTS, make_plan

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(0, 30))
def test_a_seed_decides_everything(seed: int, players: int) -> None:
    assert make_plan(seed, 60, players) == make_plan(seed, 60, players)


@given(SEEDS)
def test_each_fault_happens_before_any_happens_again(seed: int) -> None:
    plan = make_plan(seed, 60, 20)
    for lane, kinds in ((plan.brokers, BROKER_FAULTS), (plan.topics, TOPIC_FAULTS), (plan.edges, EDGE_FAULTS)):
        assert {fault.kind for fault in lane[: len(kinds)]} == set(kinds)


@given(SEEDS)
def test_verdicts_are_about_players_and_in_time(seed: int) -> None:
    plan = make_plan(seed, 60, 20)
    assert all(0 <= sanction.player < 20 and 0 <= sanction.at_s < 60 for sanction in plan.sanctions)
    assert plan.sanctions
