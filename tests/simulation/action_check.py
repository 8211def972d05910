"""Checks what becomes of players' actions: each outcome is true, and the log has each action once and in order.

The promises (protocol/README.md, "Acting"): an acknowledged action is in the log. A session's actions are there in the
order of their ids, once duplicates with the same (player, session, id) are dropped; a refused action is not there.
"""

from touchline.errors import ActionInDoubt, ActionRefused
from touchline.session.pending_action import Outcome, PendingAction, Receipt
from touchline_protocol.codes import ACTION_INVALID
from touchline_protocol.limits import ACTION_RESEND_S_MAX

from .action_log import ActionEntry, ActionLog
from .findings import Findings
from .tokens import REFUSED_KIND


class ActionCheck:
    """The actions of one client."""

    def __init__(self, findings: Findings, action_log: ActionLog, player: str) -> None:
        self._findings = findings
        self._log = action_log
        self._player = player
        self._waiting: dict[PendingAction, int] = {}

    def submitted(self, action: PendingAction, n: int) -> None:
        """The player acted; ``n`` is the action's data."""
        self._waiting[action] = n

    def forget(self) -> None:
        """The player is gone: no outcome follows."""
        self._waiting.clear()

    def take(self, action: PendingAction, outcome: Outcome, now_s: float) -> None:
        """What became of an action."""
        n = self._waiting.pop(action)
        self._findings.counts[type(outcome).__name__] += 1
        found = self._log.of(n)
        match outcome:
            case Receipt(session, number):
                if set(found) != {ActionEntry(self._player, session, number, n)}:
                    self._found(f"was told that action {n} is in the log; there is {found}")
            case ActionRefused(code=code):
                if code != ACTION_INVALID.code or action.kind != REFUSED_KIND or found:
                    self._found(f"was refused action {n}: {outcome}; in the log: {found}")
            case ActionInDoubt():
                sent_again = action.kind == REFUSED_KIND and action.send_count > 1
                if not sent_again and now_s < action.first_sent_s + ACTION_RESEND_S_MAX:
                    self._found(f"was left in doubt about action {n}: {outcome}")

    def check_complete(self) -> None:
        """At the end: every action has its outcome."""
        if self._waiting:
            self._found(f"never heard of actions {sorted(self._waiting.values())}")

    def _found(self, text: str) -> None:
        self._findings.add(f"player {self._player} {text}")


def check_order(findings: Findings, entries: list[ActionEntry]) -> None:
    """The log has the actions of each session in the order of their ids, and under one id only one action."""
    first: dict[tuple[str, str, int], int] = {}
    newest: dict[tuple[str, str], int] = {}
    for player, session, number, n in entries:
        if (player, session, number) in first:
            if first[player, session, number] != n:
                findings.add(f"the log has two actions under {player}, {session}, {number}")
            continue
        first[player, session, number] = n
        if number < newest.get((player, session), 0):
            findings.add(f"the log has {player}, {session}, {number} after {newest[player, session]}")
        newest[player, session] = number
