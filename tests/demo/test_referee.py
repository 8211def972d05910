"""The demo's rules of fair play in simulated time: human players are never found, and bots soon are."""

from collections.abc import Iterable
from random import Random

import pytest

from touchline.actions import Action
from touchline_cheatwatch.engine import Engine
from touchline_cheatwatch.evaluation.humans import beats
from touchline_cheatwatch.rooms import Event
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.types import Judgement, Now
from touchline_demo.bots import FAST_S, STEADY_S
from touchline_demo.referee import RULES

ROOM = "cheer:1"


def engine() -> Engine:
    rules = load_rule_set(RULES)
    return Engine(rules.rules, rules.policy, rules.limits)


def found(times_s: Iterable[float]) -> list[tuple[str, str | None, float]]:
    """The findings about a player who taps at these times: rule, verdict, and time."""
    judge = engine()
    outcomes: list[tuple[str, str | None, float]] = []
    muted_until_ms = 0
    for number, at_s in enumerate(times_s):
        at_ms = round(at_s * 1000)
        if at_ms < muted_until_ms:
            continue  # the edge refuses it
        action = Action("ada", ROOM, "tap", {"team": "home"}, "s", number, at_ms, "e", 0, 0)
        for outcome in judge.judge(action, Now(at_ms, at_ms)):
            assert isinstance(outcome, Judgement)
            kind = outcome.verdict.kind if outcome.verdict else None
            outcomes.append((outcome.rule, kind, at_s))
            if outcome.verdict:
                muted_until_ms = outcome.verdict.until or 10**15
    return outcomes


@pytest.mark.parametrize(("interval_s", "variation"), [(0.1, 0.08), (0.125, 0.1), (0.3, 0.03), (0.5, 0.03)])
def test_a_player_who_taps_like_a_human_is_never_found(interval_s: float, variation: float) -> None:
    for seed in range(20):
        rng = Random(seed)
        assert found(beats(rng, 0, 1500, interval_s, variation)) == []


def test_taps_kept_back_by_a_lost_connection_cause_no_finding() -> None:
    tapping = [number / 9 for number in range(90)]
    kept_back = [20.0] * 20
    afterwards = [20 + number / 9 for number in range(200)]
    rng = Random(1)
    assert found(at_s + rng.uniform(0, 0.03) for at_s in (*tapping, *kept_back, *afterwards)) == []


def test_a_player_who_taps_twice_as_fast_as_humans_is_muted_twice_then_banned() -> None:
    outcomes = found(number * FAST_S for number in range(1500))
    assert [(rule, kind) for rule, kind, _ in outcomes] == [("rate", "mute"), ("rate", "mute"), ("rate", "ban")]
    assert outcomes[0][2] < 3
    assert outcomes[-1][2] < 20


def test_a_player_who_taps_like_clockwork_is_banned() -> None:
    rng = Random(1)
    outcomes = found(number * STEADY_S + rng.uniform(0, 0.004) for number in range(200))
    assert [(rule, kind) for rule, kind, _ in outcomes] == [("regularity", "ban")]
    assert outcomes[0][2] < 15


@pytest.mark.parametrize(("reaction_ms", "rules"), [(3, ["reaction"]), (180, [])])
def test_a_player_who_joins_waves_before_seeing_them_is_found(reaction_ms: int, rules: list[str]) -> None:
    judge = engine()
    outcomes = []
    for number in range(1, 6):
        at_ms = number * 7_000
        judge.event(ROOM, Event(number, at_ms, "wave"), Now(at_ms, at_ms), complete=True)
        joined_ms = at_ms + reaction_ms
        joined = Action("ada", ROOM, "wave", {"offset": number}, "s", number, joined_ms, "e", 0, 0)
        outcomes += judge.judge(joined, Now(joined_ms, joined_ms))
        outcomes += judge.advance(Now(joined_ms + 1_000, joined_ms + 1_000), joined_ms + 1_000)
    assert [outcome.rule for outcome in outcomes if isinstance(outcome, Judgement)] == rules
