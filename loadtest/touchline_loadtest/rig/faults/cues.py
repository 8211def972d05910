"""Follows the cues of a load shape, which Locust writes into the run folder as marks."""

import asyncio
from collections.abc import AsyncIterator

from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.runs.reader import RunReader

LOOK_S = 0.1
"""Time between looks at the folder. Locust gives its cues up to a second late, so this does not matter."""
KINDS = frozenset(CueKind)


async def cues(run: RunReader) -> AsyncIterator[CueKind]:
    """Yield each cue as it comes, without end."""
    seen = 0
    while True:
        marks = [mark for mark in run.marks() if mark.kind == "phase" and mark.text in KINDS]
        for mark in marks[seen:]:
            yield CueKind(mark.text)
        seen = len(marks)
        await asyncio.sleep(LOOK_S)
