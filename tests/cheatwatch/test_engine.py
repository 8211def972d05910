"""The engine: which rules see an action and when, what happens if a rule fails, and what is forgotten."""

from typing import Any, ClassVar

import pytest

from cheatwatch.acting import ROOM, Did, at
from touchline_cheatwatch.engine import Engine, Limits, verdicts_of
from touchline_cheatwatch.rooms import Event, Room
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.sanctions import EVIDENCE_BYTES_MAX, operator_verdict
from touchline_cheatwatch.types import Action, Finding, Judgement, RuleFailure

NOW_MS = 1_000_000


class Memory:
    def __init__(self) -> None:
        self.seen = 0


class Every(Rule[Memory], frozen=True, kw_only=True):
    """Fires at every ``every``-th action, and shows what it knows about the room."""

    every: int = 3
    State: ClassVar[type[Memory]] = Memory

    def judge(self, action: Action, state: Memory, room: Room) -> Finding | None:
        state.seen += 1
        if state.seen < self.every:
            return None
        return Finding({"seen": state.seen, "events": sum(room.counts.values()), "data": action.data})


class Broken(Every, frozen=True, kw_only=True):
    State: ClassVar[type[Memory]] = Memory

    def judge(self, action: Action, state: Memory, room: Room) -> Finding | None:
        raise ZeroDivisionError


def judge(engine: Engine, *actions: Did, now_ms: int = NOW_MS) -> list[Any]:
    return [outcome for action in actions for outcome in engine.judge(action, at(now_ms))]


def advance(engine: Engine, known_ms: int) -> list[Any]:
    return list(engine.advance(at(NOW_MS), known_ms))


def test_a_finding_uses_up_its_evidence() -> None:
    engine = Engine({"every": Every()})
    found = judge(engine, *[Did(1)] * 7)
    assert [one.evidence["seen"] for one in found] == [3, 3]
    assert found[0]._replace(verdict=None) == Judgement(
        "ann", ROOM, "every", 1, {"seen": 3, "events": 0, "data": None}, None
    )


def test_a_verdict_continues_the_trace_of_the_action_that_it_answers() -> None:
    engine = Engine({"every": Every(), "later": Every(every=4, settle_s=1.0)})
    found = judge(engine, Did(1, traceparent="00-1"), Did(2), Did(3, traceparent="00-3"), Did(4, traceparent="00-4"))
    found += advance(engine, NOW_MS + 2000)
    assert [(one.rule, one.traceparent) for one in found] == [("every", "00-3"), ("later", "00-4")]
    assert [decision.traceparent for decision in verdicts_of(found)] == ["00-3"]


def test_a_rule_sees_only_its_kinds_and_each_player_separately() -> None:
    engine = Engine({"taps": Every(kinds=("tap",)), "all": Every(every=4)})
    found = judge(engine, Did(1), Did(1, "move"), Did(1, player="bob"), Did(1), Did(1, "move"), Did(1))
    assert [(one.player, one.rule) for one in found] == [("ann", "all"), ("ann", "taps")]


@pytest.mark.parametrize("wrong_by_ms", [0, -45_000, 3_600_000])
def test_a_rule_that_waits_judges_once_the_events_are_known_whatever_the_edges_clock_shows(wrong_by_ms: int) -> None:
    engine = Engine({"every": Every(every=1, settle_s=0.5)})
    assert judge(engine, Did(2_000 + wrong_by_ms), now_ms=2_000) == []
    assert judge(engine, Did(2_300 + wrong_by_ms), now_ms=2_300) == []
    assert advance(engine, 2_499) == []
    engine.event(ROOM, Event(0, 1_900, "Shot"), at(NOW_MS), complete=True)
    (first,) = advance(engine, 2_500)
    assert (first.received_ms, first.evidence["events"]) == (2_000 + wrong_by_ms, 1)
    assert [one.received_ms for one in advance(engine, 2_800)] == [2_300 + wrong_by_ms]


def test_waiting_is_bounded_and_judgements_given_up_are_counted() -> None:
    engine = Engine({"every": Every(every=1, settle_s=0.5)}, limits=Limits(waiting_max=2))
    judge(engine, Did(1), Did(2), Did(3), now_ms=1)
    assert (engine.waiting, engine.unjudged) == (2, 1)
    assert [one.received_ms for one in advance(engine, 1_000)] == [2, 3]


def test_a_rule_that_raises_does_not_stop_the_others() -> None:
    engine = Engine({"broken": Broken(), "every": Every(every=1)})
    failed, judged = judge(engine, Did(1))
    assert isinstance(failed, RuleFailure)
    assert (failed.rule, type(failed.error)) == ("broken", ZeroDivisionError)
    assert isinstance(judged, Judgement)


def test_evidence_that_cannot_be_json_is_a_failure_and_too_much_of_it_is_left_out() -> None:
    engine = Engine({"every": Every(every=1)})
    (failed,) = judge(engine, Did(1, data=object()))
    assert isinstance(failed, RuleFailure)
    (judged,) = judge(engine, Did(1, data="x" * EVIDENCE_BYTES_MAX))
    size = len('{"seen":1,"events":0,"data":""}') + EVIDENCE_BYTES_MAX
    assert judged.evidence == {"left_out_bytes": size}
    assert judged.verdict.evidence["left_out_bytes"] == size


def test_after_a_mute_a_player_starts_clean_in_all_rules() -> None:
    engine = Engine({"mute": Every(every=2, verdict="mute", verdict_s=60), "warn": Every(every=4)})
    found = judge(engine, *[Did(1)] * 4)
    assert [one.rule for one in found] == ["mute", "mute"]
    assert len(verdicts_of(found)) == 1


def test_after_a_pardon_a_player_starts_clean_and_can_be_judged_again() -> None:
    engine = Engine({"every": Every(verdict="ban"), "waits": Every(every=1, settle_s=0.5, verdict="ban")})
    assert judge(engine, Did(NOW_MS), Did(NOW_MS)) == []
    engine.verdict("ann", operator_verdict("pardon", "", None, NOW_MS))
    assert engine.advance(at(NOW_MS), NOW_MS + 500) == []
    assert judge(engine, Did(NOW_MS + 1), Did(NOW_MS + 1)) == []
    assert [player for player, *_ in verdicts_of(judge(engine, Did(NOW_MS + 1)))] == ["ann"]


def test_a_player_under_a_verdict_does_not_get_another() -> None:
    engine = Engine({"every": Every(every=1, verdict="mute", verdict_s=60)})
    engine.verdict("ann", operator_verdict("ban", "because", None, NOW_MS))
    (judged,) = judge(engine, Did(1))
    assert judged.verdict is None


def test_after_missed_events_the_counts_are_not_complete() -> None:
    engine = Engine({"every": Every(every=1)})
    engine.event(ROOM, Event(7, 1, "Shot"), at(NOW_MS), complete=True)
    engine.events_lost()
    engine.event(ROOM, Event(3, 2, "Shot"), at(NOW_MS), complete=True)
    (judged,) = judge(engine, Did(5))
    assert judged.evidence["events"] == 1
    assert not engine._rooms.get(ROOM).complete


def test_rooms_are_bounded_and_a_forgotten_one_is_not_complete_again() -> None:
    engine = Engine({}, limits=Limits(rooms_max=2))
    for offset, number in enumerate((1, 2, 1, 3)):
        engine.event(f"match:{number}", Event(offset, 1, "Shot"), at(NOW_MS), complete=True)
    rooms = [engine._rooms.get(f"match:{number}") for number in (1, 2, 3)]
    assert [(sum(room.counts.values()), room.complete) for room in rooms] == [(2, True), (0, False), (1, True)]
    engine.event("match:2", Event(4, 1, "Shot"), at(NOW_MS), complete=True)
    again = engine._rooms.get("match:2")
    assert (again.counts, again.complete) == ({"Shot": 1}, False)


def test_a_room_with_missed_events_is_no_longer_complete() -> None:
    engine = Engine({})
    for offset, complete in enumerate((True, False)):
        engine.event(ROOM, Event(offset, 1, "Shot"), at(NOW_MS), complete=complete)
    assert not engine._rooms.get(ROOM).complete


def test_the_player_idle_for_longest_is_forgotten_first() -> None:
    engine = Engine({"every": Every()}, limits=Limits(players_max=2, idle_s=60))
    ann, bob, cid = (Did(1, player=player) for player in ("ann", "bob", "cid"))
    assert judge(engine, ann, bob, ann, cid) == []  # bob is forgotten
    assert [one.player for one in judge(engine, ann)] == ["ann"]
    judge(engine, cid, now_ms=NOW_MS + 30_000)
    engine.advance(at(NOW_MS + 60_000), 0)
    assert engine.players == 1


@pytest.mark.parametrize("offsets", [[0, 1, 1, 0, 2], [0, 0, 1, 2]])
def test_events_seen_again_are_counted_once(offsets: list[int]) -> None:
    engine = Engine({})
    for offset in offsets:
        engine.event(ROOM, Event(offset, 1, "Shot"), at(NOW_MS), complete=True)
    assert engine._rooms.get(ROOM).counts == {"Shot": 3}
