"""Follows the cues of a load shape, which Locust writes into the run folder as marks."""

import asyncio
from collections.abc import AsyncIterator

from touchline_loadtest.locust.shapes.schedule import OPERATORS, CueKind
from touchline_loadtest.runs.reader import RunReader

LOOK_S = 0.1
"""Time between looks at the folder. Locust gives its cues up to a second late, so this does not matter."""
KINDS = frozenset(CueKind)


async def cues(run: RunReader) -> AsyncIterator[CueKind]:
    """Yield each cue as it comes, without end."""
    seen = 0
    while True:
        given = cues_so_far(run)
        for kind in given[seen:]:
            yield kind
        seen = len(given)
        await asyncio.sleep(LOOK_S)


def cues_so_far(run: RunReader) -> list[CueKind]:
    """The cues that were given, in order."""
    return [CueKind(mark.text) for mark in run.marks() if mark.kind == "phase" and mark.text in KINDS]


def operator_cues(run: RunReader) -> list[CueKind]:
    """Those of them that are the operator's."""
    return [kind for kind in cues_so_far(run) if kind in OPERATORS]
