"""The burst of events that a goal causes: it is scored, celebrated, checked by the video referee, and confirmed."""

from collections.abc import Sequence

import msgspec

from touchline_loadtest.publish.batches import Batch, KeyedValue

EVENTS = 20
"""Events in each room, within a moment. A match has about as many in half a minute."""
TEXT_BYTES = 300
"""Events of matches have about this size."""


def goal_burst(rooms: Sequence[str], at_ms: int, number: int) -> list[Batch]:
    """The events of the ``number``-th goal, which falls in all of these rooms at the same time."""
    return [Batch(at_ms, room, _events(number)) for room in rooms]


def _events(number: int) -> list[KeyedValue]:
    """One of them is state, so that users who come later see the goal too."""
    score = msgspec.json.encode({"type": "Goal", "goals": number})
    text = "x" * TEXT_BYTES
    chatter = [
        KeyedValue(None, msgspec.json.encode({"type": "Celebration", "goal": number, "part": part, "text": text}))
        for part in range(1, EVENTS)
    ]
    return [KeyedValue("goals", score), *chatter]
