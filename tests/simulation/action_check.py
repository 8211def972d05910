"""Notes what becomes of players' actions for the checker, and checks each outcome when it comes.

The checker compares all of them with the log at the end. Only a simulation also knows that an outcome is too early, or
that nothing explains it.
"""

from touchline.errors import ActionInDoubt, ActionRefused
from touchline.session.pending_action import Outcome, PendingAction, Receipt
from touchline_loadtest.checks.actions import UNANSWERED, Acted
from touchline_protocol.codes import ACTION_INVALID
from touchline_protocol.limits import ACTION_RESEND_S_MAX

from .action_log import ActionLog
from .findings import Findings
from .tokens import REFUSED_KIND


class ActionCheck:
    """The actions of one client. ``acted`` has the outcome of each, in the form that the checker reads."""

    def __init__(self, findings: Findings, action_log: ActionLog, player: str) -> None:
        self.acted: list[Acted] = []
        self._findings = findings
        self._log = action_log
        self._player = player
        self._waiting: dict[PendingAction, int] = {}

    def submitted(self, action: PendingAction, n: int) -> None:
        """The player acted; ``n`` is the action's data."""
        self._waiting[action] = n
        self._note(action, n, UNANSWERED)

    def forget(self) -> None:
        """The player is gone: no outcome follows."""
        self._waiting.clear()

    def take(self, action: PendingAction, outcome: Outcome, now_s: float) -> None:
        """What became of an action."""
        n = self._waiting.pop(action)
        self._findings.counts[type(outcome).__name__] += 1
        match outcome:
            case Receipt(session, number):
                self._note(action, n, "", session, number)
                if not self._log.has(n):
                    self._found(f"was told that action {n} is in the log, which does not have it yet")
            case ActionRefused(code=code):
                self._note(action, n, code)
                if code != ACTION_INVALID.code or action.kind != REFUSED_KIND or self._log.has(n):
                    self._found(f"was refused action {n}: {outcome}")
            case ActionInDoubt():
                sent_again = action.kind == REFUSED_KIND and action.send_count > 1
                if not sent_again and now_s < action.first_sent_s + ACTION_RESEND_S_MAX:
                    self._found(f"was left in doubt about action {n}: {outcome}")

    def check_complete(self) -> None:
        """At the end: every action has its outcome."""
        if self._waiting:
            self._found(f"never heard of actions {sorted(self._waiting.values())}")

    def _note(self, action: PendingAction, n: int, code: str, session: str = "", number: int = 0) -> None:
        at_ms, sends = self._findings.time_ms, action.send_count
        self.acted.append(Acted(self._player, n, code, at_ms, session, number, action.room, action.kind, sends))

    def _found(self, text: str) -> None:
        self._findings.add(f"player {self._player} {text}")
