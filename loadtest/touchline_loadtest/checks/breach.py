"""What the checker finds. Pure."""

from collections.abc import Mapping

import msgspec

KINDS: Mapping[str, str] = {
    "missing": "An event did not arrive, although later ones did, and no `skipped` named it.",
    "stalled": "Events did not arrive at a client that stayed in the room, long after they were in the log.",
    "missing_at_end": "The newest events never arrived.",
    "doubled": "An event arrived twice.",
    "reordered": "An event arrived after a later one.",
    "wrong_event": "An event has another value or key than the log has at its offset.",
    "wrong_prev": "An event's `prev` is not the offset of the room's event before it.",
    "not_in_log": "An event arrived that the log does not have, and never had.",
    "wrong_epoch": "The client was taken to another log without starting over.",
    "ambiguous_epoch": "One epoch stands for two logs.",
    "different_events": "Two clients received different events at one place of a log.",
    "over_other_events": "The client resumed behind an event that its log does not have.",
    "wrong_skip": "`skipped` names other events than those that were left out, or must not leave them out.",
    "wrong_state": "The state that the client started from is not the log's state as of `head`.",
    "wrong_head": "`head` is beyond what the log held when the client joined.",
    "wrong_recent": "`recent` does not hold the newest events up to `head`.",
    "wrong_state_at_end": "The client's state is not the log's state as of its cursor.",
    "lost_cursor": "The client had to start over, although its cursor could be honoured.",
    "recovered_wrongly": "`recovered` is true, although the cursor could not be honoured.",
    "resumed_elsewhere": "The client resumed from another place than its cursor.",
    "before_joined": "Something of the room arrived before its `subscribed`.",
    "wrong_join": "A `subscribed` contradicts itself.",
    "gap": "The client found a gap and reconnected.",
    "refused": "The server refused the room, and nothing that happened explains it.",
    "never_joined": "The server never answered the subscription.",
    "left_behind": "The client ended in a log that the room has left.",
    "wrong_bytes": "A client that only counts has received other bytes than were sent to its rooms.",
    "unexplained_close": "A connection ended with a code that nothing that happened explains.",
    "action_lost": "An acknowledged action is not in the log.",
    "action_doubled": "An action is in the log under two ids, or a reader received it twice.",
    "action_invented": "The log, or a reader, has an action that no player sent.",
    "action_missing": "A reader did not receive an action of the log.",
    "action_changed": "An action is in the log, but not as its player sent it.",
    "action_refused_in_log": "An action was refused when it was first sent, and is in the log.",
    "actions_reordered": "A session's actions are in another order than that of their ids.",
    "action_refused_wrongly": "An action was refused with a code that nothing explains.",
    "action_unanswered": "An action was never answered, although the connection held.",
    "verdict_not_enforced": "An action was taken that a verdict forbids, or refused that none forbids.",
}
"""One word for each promise, and what it means that it was not kept."""


class Breach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A promise that was not kept. ``kind`` is one word per promise, such as ``gap``.

    ``offset`` is None where no single record shows the breach.
    """

    kind: str
    client: str
    text: str
    room: str = ""
    offset: int | None = None
    at_ms: float | None = None

    def __str__(self) -> str:
        place = self.client + (f" in {self.room}" if self.room else "")
        return f"{self.kind}: {place}{'' if self.offset is None else f' at {self.offset}'}: {self.text}"
