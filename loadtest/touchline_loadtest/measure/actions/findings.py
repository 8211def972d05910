"""Compares the log with what measured players know: each action was sent once, and acknowledged."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from touchline_loadtest.checks.action_session import ActionSession
from touchline_loadtest.checks.actions import Acted, ActionEntry, LoggedAction
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_protocol.actions import ActionRecord


class LogFindings(NamedTuple):
    """``missing``: acknowledged but not in the log. ``wrong``: out of order, in the log twice, or never sent."""

    actions: int
    missing: int
    wrong: int


def compare_log(records: Sequence[ActionRecord], sessions: Iterable[ActionSession]) -> LogFindings:
    """Compare the log with sessions whose actions from 1 on were all acknowledged. An action's value is its id."""
    acted = [
        Acted(each.player, number, "", 0.0, each.session, number, each.room, each.kind, sends=1)
        for each in sessions
        for number in range(1, each.acked + 1)
    ]
    logged = [
        LoggedAction(ActionEntry(each.player, each.session, each.id, each.kind, each.id, each.room)) for each in records
    ]
    breaches = check_actions(acted, logged)
    missing = sum(breach.kind == "action_lost" for breach in breaches)
    copies = len(logged) - len(set(logged))  # the checker allows them, for players who send an action again
    return LogFindings(len(logged), missing, len(breaches) - missing + copies)
