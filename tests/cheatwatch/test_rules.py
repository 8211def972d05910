"""Each built-in rule by example: what it finds, and what it ignores."""

from random import Random
from typing import Any

import pytest

from cheatwatch.acting import Did, findings, room_of
from touchline_cheatwatch.rooms import EVENTS_KEPT_MAX, NAMES_MAX, Event
from touchline_cheatwatch.rules.movement import Movement
from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.rules.reaction import Reaction
from touchline_cheatwatch.rules.regularity import Regularity
from touchline_cheatwatch.rules.score import Score


def taps(count: int, interval_ms: float, start_ms: int = 0) -> list[Did]:
    return [Did(start_ms + round(number * interval_ms)) for number in range(count)]


# Rate


def test_rate_finds_a_player_faster_than_a_human_for_long() -> None:
    rule = Rate(rate_max=10, burst_max=20)
    (_, finding), *_ = findings(rule, taps(200, 50))
    # 20/s against 10/s: the bucket of 20 overflows when 40 have come in 2 s.
    assert finding.evidence["actions"] == 40
    assert 1.9 <= finding.evidence["seconds"] <= 2.0


def test_rate_ignores_a_queue_that_arrives_at_once() -> None:
    rule = Rate(rate_max=10, burst_max=20)
    assert findings(rule, [*taps(100, 101), *taps(20, 0, start_ms=20_000), *taps(100, 101, start_ms=22_000)]) == []


# Regularity


def jittered(count: int, interval_ms: float, jitter_ms: float, seed: int = 1) -> list[Did]:
    rng = Random(seed)
    return [Did(round(number * interval_ms + rng.uniform(0, jitter_ms))) for number in range(count)]


def by_hand(count: int, interval_ms: float, variation: float, seed: int = 1) -> list[Did]:
    rng, at_ms, made = Random(seed), 0.0, []
    for _ in range(count):
        made.append(Did(round(at_ms)))
        at_ms += interval_ms * rng.gauss(1, variation)
    return made


def test_regularity_finds_a_timer_behind_a_network() -> None:
    (_, finding), *_ = findings(Regularity(), jittered(400, 200, 15))
    assert finding.evidence["variation"] < 0.004
    assert finding.evidence["interval_ms"] == pytest.approx(200, rel=0.01)


def test_regularity_finds_a_timer_despite_hiccups() -> None:
    actions = jittered(400, 200, 10)
    for number in range(40, 400, 60):  # a delay of 0.4 s, which holds up the next ones
        until_ms = actions[number].received_ms + 400
        actions = [
            one._replace(received_ms=max(one.received_ms, until_ms)) if number <= index < number + 3 else one
            for index, one in enumerate(actions)
        ]
    assert findings(Regularity(), actions)


@pytest.mark.parametrize("variation", [0.04, 0.1, 0.3])
def test_regularity_ignores_hands(variation: float) -> None:
    for seed in range(20):
        assert findings(Regularity(), by_hand(600, 250, variation, seed)) == []


@pytest.mark.parametrize("interval_ms", [0, 1000 / 30])
def test_regularity_ignores_a_queue_that_an_edge_takes_at_once_or_steadily(interval_ms: float) -> None:
    assert findings(Regularity(), taps(256, interval_ms)) == []


def test_regularity_begins_a_new_interval_after_a_pause() -> None:
    """Taps in tens. Each ten has one complete interval of eight, and only those are compared."""
    actions = [one for ten in range(25) for one in taps(10, 200, start_ms=ten * 60_000 + ten * ten * 13)]
    (_, finding), *_ = findings(Regularity(), actions)
    assert finding.evidence["interval_ms"] == 200


# Reaction


def reacting(reaction_ms: int, count: int = 12, data: Any = None, every_ms: int = 5_000) -> list[Did]:
    return [Did(10_000 + number * every_ms + reaction_ms, "react", data) for number in range(count)]


def events(count: int = 12, every_ms: int = 5_000) -> list[Event]:
    return [Event(number, 10_000 + number * every_ms, "Shot") for number in range(count)]


def test_reaction_finds_a_player_faster_than_eyes() -> None:
    (at, finding), *_ = findings(Reaction(), reacting(40), room_of(*events()))
    assert at.received_ms == 10_000 + 7 * 5_000 + 40  # the eighth fast one
    assert finding.evidence["reactions_ms"] == [40] * 8


def test_reaction_ignores_humans() -> None:
    assert findings(Reaction(), reacting(210), room_of(*events())) == []


def test_reaction_allows_for_clocks_that_differ() -> None:
    """An edge's clock is 50 ms behind the producer's: 150 ms look like 100, and -10 ms are 40."""
    assert findings(Reaction(), reacting(100), room_of(*events())) == []
    assert findings(Reaction(), reacting(-10), room_of(*events()))


def test_reaction_ignores_a_player_who_acts_all_the_time() -> None:
    actions = [Did(at_ms, "react") for at_ms in range(0, 120_000, 90)]
    assert findings(Reaction(), actions, room_of(*events(20))) == []


def test_reaction_ignores_a_late_answer() -> None:
    """It neither counts nor displaces a fast one."""
    actions = [Did(one.received_ms + (3_000 if at % 2 else 0), "react") for at, one in enumerate(reacting(40, 18))]
    assert findings(Reaction(), actions, room_of(*events(18)))


def test_reaction_counts_an_event_once() -> None:
    twice = [one for action in reacting(40, 7) for one in (action, action)]
    assert findings(Reaction(quiet_s=0), twice, room_of(*events())) == []


def test_reaction_uses_the_event_that_the_action_names() -> None:
    """Each action comes 20 ms after an event, but names the one before it, 300 ms ago."""
    course = [Event(number, 10_000 + number * 280, "Shot") for number in range(24)]
    actions = [Did(course[number].ms + 300, "react", {"offset": number}) for number in range(0, 24, 2)]
    assert findings(Reaction(), actions, room_of(*course)) == []
    assert findings(Reaction(quiet_s=0.1), [one._replace(data={}) for one in actions], room_of(*course))


def test_reaction_only_looks_at_events_with_its_names() -> None:
    shown = [Event(one.offset * 2, one.ms, "Shot") for one in events()]
    hidden = [Event(one.offset * 2 + 1, one.ms + 35, "Pass") for one in events()]
    course = sorted([*shown, *hidden])
    assert findings(Reaction(events=("Pass",)), reacting(40), room_of(*course))
    assert findings(Reaction(events=("Goal",)), reacting(40), room_of(*course)) == []


def test_reaction_ignores_an_event_that_is_no_longer_known() -> None:
    assert findings(Reaction(), reacting(40, 12, {"offset": 0}), room_of(*events(EVENTS_KEPT_MAX + 1))) == []


# Movement


def walk(steps: int, step_m: float, interval_ms: int = 250, start_ms: int = 0, start_m: float = 0) -> list[Did]:
    return [
        Did(start_ms + number * interval_ms, "move", {"x": start_m + number * step_m, "y": 0})
        for number in range(steps)
    ]


def test_movement_ignores_a_sprinter() -> None:
    assert findings(Movement(), walk(400, 2.9)) == []


def test_movement_finds_a_teleport() -> None:
    actions = [*walk(100, 1), Did(25_000, "move", {"x": 200, "y": 0})]
    ((at, finding),) = findings(Movement(), actions)
    assert at.received_ms == 25_000
    assert (finding.evidence["distance"], finding.evidence["x"]) == (101, 200)


def test_movement_finds_a_player_too_fast_for_long() -> None:
    assert findings(Movement(), walk(40, 6))


def test_movement_ignores_a_queue() -> None:
    """Half a minute offline, then all moves at once."""
    queued = [one._replace(received_ms=50_000) for one in walk(120, 2.9, start_m=290)]
    after = walk(100, 2.9, start_ms=50_250, start_m=290 + 120 * 2.9)
    assert findings(Movement(), [*walk(100, 2.9), *queued, *after]) == []


def test_movement_ignores_a_queue_that_an_edge_takes_slowly() -> None:
    queued = [one._replace(received_ms=50_000 + 33 * at) for at, one in enumerate(walk(136, 2.9, start_m=290))]
    assert findings(Movement(), [*walk(100, 2.9), *queued]) == []


def test_movement_ignores_a_queue_during_which_the_connection_breaks_again() -> None:
    queued = [
        one._replace(received_ms=50_000 if at < 10 else 52_000) for at, one in enumerate(walk(108, 2.9, start_m=290))
    ]
    assert findings(Movement(), [*walk(100, 2.9), *queued]) == []


def test_movement_allows_a_jump_only_after_a_queue_that_overflowed() -> None:
    """The queue holds 25 s of a minute offline; the client refused the rest to the player."""
    rest = walk(10, 2.9, start_ms=85_010, start_m=290 + 60 * 11.6)
    for queued, found in ((100, 0), (20, 1)):
        queue = [one._replace(received_ms=85_000) for one in walk(queued, 2.9, start_m=290)]
        assert len(findings(Movement(), [*walk(100, 2.9), *queue, *rest])) == found


def test_movement_gives_credit_for_a_silence_only_for_a_while() -> None:
    late = [one._replace(received_ms=82_000 + 20 * at) for at, one in enumerate(walk(60, 2.9, start_m=390))]
    assert findings(Movement(), [*walk(100, 2.9), *walk(100, 1, start_ms=57_000, start_m=290), *late])


def test_movement_gives_no_credit_after_a_rest_to_a_player_who_runs_too_fast() -> None:
    assert findings(Movement(), [*walk(100, 1), *walk(40, 6, start_ms=60_000, start_m=99)])


def test_movement_gives_no_more_credit_than_the_silence_was_long() -> None:
    """Ten seconds offline allow 120 m and the slack, not 290 m."""
    queued = [one._replace(received_ms=35_000) for one in walk(100, 2.9, start_m=290)]
    assert findings(Movement(), [*walk(100, 2.9), *queued])


def test_movement_allows_the_distance_covered_during_a_silence() -> None:
    assert findings(Movement(), [*walk(100, 1), *walk(10, 1, start_ms=35_000, start_m=210)]) == []


def test_movement_knows_the_position_in_each_room() -> None:
    here, there = walk(100, 1), [one._replace(room="match:2") for one in walk(100, 1, start_m=5_000)]
    assert findings(Movement(), [one for pair in zip(here, there, strict=True) for one in pair]) == []


@pytest.mark.parametrize("data", [None, 1, [], {}, {"x": "1", "y": 2}, {"x": True, "y": 1}, {"x": 1e300, "y": 1}])
def test_movement_ignores_data_without_a_position(data: Any) -> None:
    assert findings(Movement(), [*walk(10, 1), Did(2_500, "move", data), *walk(10, 1, 250, 2_500, 10)]) == []


# Score


def goals(count: int) -> list[Event]:
    return [Event(number, number * 1_000, "last_goal") for number in range(count)]


def tells(*scores: Any) -> list[Did]:
    return [Did(1_000 * at, "score", {"score": score}) for at, score in enumerate(scores)]


def test_score_accepts_what_the_events_allow_if_all_are_known() -> None:
    assert findings(Score(), tells(0, 10, 30, 30), room_of(*goals(3), complete=True)) == []


def test_score_finds_more_than_the_events_allow() -> None:
    ((_, finding),) = findings(Score(), tells(30, 31), room_of(*goals(3), complete=True))
    assert finding.evidence == {"score": 31, "allowed": 30, "baseline": 0}


def test_score_accepts_the_first_one_if_the_history_is_incomplete() -> None:
    assert findings(Score(), tells(500, 530), room_of(*goals(3))) == []
    assert len(findings(Score(), tells(500, 531), room_of(*goals(3)))) == 1


def test_score_finds_a_score_that_nobody_can_have() -> None:
    assert len(findings(Score(), tells(10_001), room_of(*goals(3)))) == 1


def test_score_starts_again_with_a_room_whose_events_were_forgotten() -> None:
    rule, state = Score(), Score.State()
    before, after = room_of(*goals(5), complete=True), room_of()
    after.serial = 2
    assert rule.judge(tells(50)[0].at(), state, before) is None
    assert rule.judge(tells(60)[0].at(), state, after) is None


def test_score_accuses_nobody_if_not_all_names_are_counted() -> None:
    many = [Event(number, 0, f"name{number}") for number in range(NAMES_MAX + 1)]
    assert findings(Score(), tells(31), room_of(*many, complete=True)) == []


def test_score_has_points_for_all_other_events() -> None:
    rule = Score(points={"*": 2, "last_goal": 10})
    course = [*goals(1), Event(1, 1_000, "Pass")]
    assert findings(rule, tells(12), room_of(*course, complete=True)) == []
    assert findings(rule, tells(13), room_of(*course, complete=True))
