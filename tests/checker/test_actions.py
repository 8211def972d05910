"""What players did is in the log as promised, or the checker says which action of which player is not."""

from collections.abc import Callable
from itertools import count
from random import Random
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.thoroughness import examples
from touchline_loadtest.checks.actions import UNANSWERED, Acted, ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.comparison.action_check import (
    ENFORCED_MS,
    UNANSWERED_MS,
    check_actions,
    check_answers,
    check_verdicts,
)
from touchline_loadtest.checks.comparison.close_check import Causes
from touchline_loadtest.checks.comparison.excuses import PATIENCE_MS

ROOM = "match:1"
READER = "a detector"


class Play(NamedTuple):
    """What players did, what the log has, and what a reader received."""

    acted: list[Acted]
    log: list[ActionEntry]
    read: list[ActionEntry]

    def check(self) -> list[Breach]:
        log = [LoggedAction(action, offset) for offset, action in enumerate(self.log)]
        return [*check_actions(self.acted, log, {READER: self.read}), *check_verdicts(self.acted, [])]


def right_play(random: Random) -> Play:
    """Players act in sessions; some actions are refused, some never answered, and some are in the log twice."""
    play = Play([], [], [])
    copies: list[ActionEntry] = []
    for number in range(random.randint(1, 4)):
        player, value = f"player {number}", 0
        for session in ("s", "t")[: random.randint(1, 2)]:
            for id_ in range(1, random.randint(2, 6)):
                value += 1
                entry = ActionEntry(player, session, id_, "tap", value, ROOM)
                acted = Acted(player, value, UNANSWERED, 0.0, room=ROOM, kind="tap", sends=1)
                play.acted.append(acted)
                code = random.choice(("", "", "", "action_invalid", UNANSWERED))
                if code == "":
                    play.acted.append(acted._replace(code="", session=session, id=id_))
                elif code != UNANSWERED:
                    play.acted.append(acted._replace(code=code))
                if code == "" or (code == UNANSWERED and random.random() < 0.5):
                    play.log.append(entry)
                    copies += [entry] * (random.random() < 0.2)
    play.read.extend(play.log)
    for copy in copies:
        play.log.insert(random.randint(play.log.index(copy), len(play.log)), copy)
    return play


Fault: TypeAlias = Callable[[Play, Random], tuple[str, str] | None]
"""Breaks a promise. Returns the player and the kind that the checker has to report; None where there is no place."""


def _acknowledged(play: Play, random: Random) -> tuple[Acted, ActionEntry] | None:
    found = [action for action in play.acted if action.code == ""]
    if not found:
        return None
    acted = random.choice(found)
    entry = next(each for each in play.log if (each.player, each.value) == (acted.player, acted.value))
    return acted, entry


def action_lost(play: Play, random: Random) -> tuple[str, str] | None:
    """An acknowledged action is not in the log."""
    found = _acknowledged(play, random)
    if found is None:
        return None
    play.log[:] = [entry for entry in play.log if entry != found[1]]
    play.read[:] = [entry for entry in play.read if entry != found[1]]
    return found[0].player, "action_lost"


def phantom_ack(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is acknowledged that the log does not have."""
    acted = random.choice(play.acted)
    play.acted.append(acted._replace(value=UNSEEN, code="", session="s", id=UNSEEN))
    return acted.player, "action_lost"


def action_under_two_ids(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is in the log twice, as two actions."""
    found = _acknowledged(play, random)
    if found is None:
        return None
    for actions in (play.log, play.read):
        actions.append(found[1]._replace(id=UNSEEN))
    return found[0].player, "action_doubled"


def actions_reordered(play: Play, random: Random) -> tuple[str, str] | None:
    """A session's actions are in the log in another order."""
    for index, entry in enumerate(play.log):
        later = [each for each in play.log[index + 1 :] if each[:2] == entry[:2] and each.id > entry.id]
        if later and play.log.count(entry) == 1:
            for actions in (play.log, play.read):
                actions.remove(entry)
                actions.append(entry)
            return entry.player, "actions_reordered"
    return None


def record_without_action(play: Play, random: Random) -> tuple[str, str] | None:
    """The log has an action that nobody sent."""
    invented = ActionEntry("player 0", "u", 1, "tap", UNSEEN, ROOM)
    play.log.append(invented)
    play.read.append(invented)
    return "player 0", "action_invented"


def action_changed(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is in the log in another room."""
    found = _acknowledged(play, random)
    if found is None:
        return None
    for actions in (play.log, play.read):
        actions[:] = [each._replace(room="match:2") if each == found[1] else each for each in actions]
    return found[0].player, "action_changed"


def id_used_twice(play: Play, random: Random) -> tuple[str, str] | None:
    """Two actions have one id, so readers take the second one for a copy."""
    found = _acknowledged(play, random)
    if found is None:
        return None
    for actions in (play.log, play.read):
        actions.append(found[1]._replace(value=UNSEEN))
    return found[0].player, "action_changed"


def refused_and_stored(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is refused, and stored all the same."""
    refused = [action for action in play.acted if action.code == "action_invalid"]
    if not refused:
        return None
    action = random.choice(refused)
    entry = ActionEntry(action.player, "u", 1, "tap", action.value, ROOM)
    play.log.append(entry)
    play.read.append(entry)
    return action.player, "action_refused_in_log"


def refused_without_a_code(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is refused with a code that nobody knows."""
    return refused_with("no such code", "action_refused_wrongly", play, random)


def refused_without_a_verdict(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is refused as if its player were muted."""
    return refused_with("muted", "verdict_not_enforced", play, random)


def refused_with(code: str, kind: str, play: Play, random: Random) -> tuple[str, str] | None:
    refused = [index for index, action in enumerate(play.acted) if action.code == "action_invalid"]
    if not refused:
        return None
    index = random.choice(refused)
    play.acted[index] = play.acted[index]._replace(code=code)
    return play.acted[index].player, kind


def lost_and_taken_back(play: Play, random: Random) -> tuple[str, str] | None:
    """An action is acknowledged, is not in the log, and is refused later."""
    broken = action_lost(play, random)
    lost = [acted for acted in play.acted if acted.code == "" and not _is_logged(play, acted)]
    play.acted.extend(acted._replace(code="action_refused") for acted in lost)
    return broken


def _is_logged(play: Play, acted: Acted) -> bool:
    return any((each.player, each.value) == (acted.player, acted.value) for each in play.log)


def not_read(play: Play, random: Random) -> tuple[str, str] | None:
    """A reader does not receive an action."""
    return (play.read.pop(random.randrange(len(play.read))).player, "action_missing") if play.read else None


def read_twice(play: Play, random: Random) -> tuple[str, str] | None:
    """A reader receives an action twice."""
    if not play.read:
        return None
    action = random.choice(play.read)
    play.read.append(action)
    return action.player, "action_doubled"


def read_and_not_logged(play: Play, random: Random) -> tuple[str, str] | None:
    """A reader receives an action that the log does not have."""
    play.read.append(ActionEntry("player 0", "u", 1, "tap", UNSEEN, ROOM))
    return "player 0", "action_invented"


UNSEEN = 999
"""A value, and an id, that no action has."""

FAULTS: tuple[Fault, ...] = (
    action_lost,
    phantom_ack,
    action_under_two_ids,
    actions_reordered,
    record_without_action,
    action_changed,
    id_used_twice,
    refused_and_stored,
    refused_without_a_code,
    refused_without_a_verdict,
    lost_and_taken_back,
    not_read,
    read_twice,
    read_and_not_logged,
)


@given(st.randoms(use_true_random=False))
def test_nothing_is_found_where_every_promise_about_actions_was_kept(random: Random) -> None:
    assert right_play(random).check() == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@settings(max_examples=examples(0.4))
@given(st.integers(0, 1 << 40))
def test_each_fault_is_found_with_its_player(fault: Fault, seed: int) -> None:
    for each in count(seed):
        play = right_play(Random(each))
        expected = fault(play, Random(each))
        if expected is not None:
            break
    breaches = play.check()
    assert expected in [(breach.client, breach.kind) for breach in breaches]
    assert {breach.client for breach in breaches} == {expected[0]}


def test_actions_of_others_are_breaches_only_if_all_players_are_known() -> None:
    log = [LoggedAction(ActionEntry("eve", "s", 1, "tap", 1))]
    assert [breach.kind for breach in check_actions([], log)] == ["action_invented"]
    assert check_actions([], log, all_known=False) == []


def test_a_report_names_the_offset_of_an_action() -> None:
    log = [LoggedAction(ActionEntry("eve", "s", 1, "tap", 1, ROOM), 17)]
    (breach,) = check_actions([], log)
    assert (breach.client, breach.room, breach.offset) == ("eve", ROOM, 17)


MUTE = Verdict("ada", "mute", 10_000.0)
SOON, LATE = MUTE.at_ms + 100, MUTE.at_ms + ENFORCED_MS + 1


@pytest.mark.parametrize(
    ("verdicts", "acted_ms", "code", "broken"),
    [
        ([MUTE], SOON, "muted", False),
        ([MUTE], LATE, "muted", True),
        ([MUTE], SOON, "", True),
        ([MUTE, Verdict("ada", "pardon", 20_000.0)], LATE, "", False),
        ([Verdict("ada", "pardon", 20_000.0), MUTE], LATE, "", False),
        ([Verdict("ada", "ban", 10_000.0)], SOON, "4503", False),
        ([Verdict("ada", "ban", 10_000.0)], SOON, "muted", True),
        ([MUTE._replace(until_ms=LATE - 1)], LATE, "muted", False),
        ([Verdict("bob", "mute", 10_000.0)], LATE, "", False),
        ([], LATE, "", False),
        ([], LATE, "muted", True),
    ],
)
def test_a_verdict_that_is_not_enforced_is_found(
    verdicts: list[Verdict], acted_ms: float, code: str, broken: bool
) -> None:
    acted = [Acted("ada", 1, "", acted_ms)]
    kinds = {breach.kind for breach in check_verdicts(acted, verdicts, {("ada", "edge-0"): code})}
    assert kinds == ({"verdict_not_enforced"} if broken else set())


PARDON = Verdict("ada", "pardon", 700_000.0)


@pytest.mark.parametrize(
    ("verdicts", "acted_ms", "code", "broken"),
    [
        ([MUTE, PARDON], 600_000.0, "", True),
        ([MUTE, PARDON], PARDON.at_ms - PATIENCE_MS, "", False),
        ([MUTE, PARDON], PARDON.at_ms - PATIENCE_MS - 1, "", True),
        ([MUTE, PARDON], 600_000.0, "muted", False),
        ([MUTE, PARDON], PARDON.at_ms + ENFORCED_MS, "muted", False),
        ([MUTE, PARDON], PARDON.at_ms + ENFORCED_MS + 1, "muted", True),
        ([MUTE, PARDON._replace(kind="ban")], 600_000.0, "", True),
        ([MUTE._replace(until_ms=500_000.0), PARDON], 600_000.0, "", False),
        ([MUTE._replace(until_ms=500_000.0), PARDON], 600_000.0, "muted", True),
        ([MUTE], MUTE.at_ms - PATIENCE_MS, "muted", False),
        ([MUTE], MUTE.at_ms - PATIENCE_MS - 1, "muted", True),
        ([], 600_000.0, "muted", True),
    ],
)
def test_an_answer_has_to_follow_from_the_verdict_of_its_time(
    verdicts: list[Verdict], acted_ms: float, code: str, broken: bool
) -> None:
    kinds = {breach.kind for breach in check_verdicts([Acted("ada", 1, code, acted_ms)], verdicts)}
    assert kinds == ({"verdict_not_enforced"} if broken else set())


def test_an_action_without_an_answer_is_found_if_the_connection_held() -> None:
    acted = [Acted("ada", 1, UNANSWERED, 1_000.0, sends=1)]
    late_ms = 1_001.0 + UNANSWERED_MS

    def unanswered(ended_ms: float, *causes: Cause, closed_ms: float = float("inf")) -> bool:
        closes = [Close("fan 1", 1006, closed_ms, player="ada")]
        return bool(check_answers(acted, ended_ms, Causes(causes, (), closes)))

    assert unanswered(late_ms)
    assert not unanswered(late_ms - 1)
    assert not unanswered(late_ms, closed_ms=late_ms - 1)
    assert not unanswered(late_ms, Cause("log_unavailable", 1_000.0, late_ms))
    assert not check_answers([acted[0], acted[0]._replace(code="")], late_ms)
    assert not check_answers([acted[0]._replace(sends=0)], late_ms), "nobody knows whether it was sent"
