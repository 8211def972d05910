"""What the page shows of the detection of cheats, published into a room of its own: `settings.PANEL_ROOM`.

Findings are happenings; a bot, and what was watched so far, are state, under the keys ``bot.<player>`` and ``watch``.
All is public here: names of players are made up, and evidence is what rules counted.
"""

import asyncio
from typing import Any

import msgspec

from touchline_server.publishing import NewEvent, new_event

from .game import Publish
from .settings import PANEL_ROOM

PUBLISH_S = 0.25
"""At most so often; of what has a key only the newest goes out."""
FINDINGS_MAX = 100
"""In one turn: cheatwatch finds a player at most a few times a minute, so more would be a mistake."""


class Panel:
    """Takes what is to be shown, at any time, and publishes it."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._findings: list[NewEvent] = []
        self._state: dict[str, NewEvent] = {}

    def tell(self, finding: dict[str, Any]) -> None:
        """Something happened."""
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(new_event(msgspec.json.encode(finding)))

    def show(self, key: str, data: dict[str, Any] | None) -> None:
        """So something stands now; None takes it away."""
        self._state[key] = new_event(msgspec.json.encode(data), key)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            if events := [*self._findings, *self._state.values()]:
                self._findings, self._state = [], {}
                await self._publish(PANEL_ROOM, events)
            await asyncio.sleep(PUBLISH_S)
