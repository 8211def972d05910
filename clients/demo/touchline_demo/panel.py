"""What the page shows of the detection of cheats, published into a room of its own: `settings.PANEL_ROOM`.

All of it is state, so that who opens the page later sees the same: under the keys ``bot.<player>``, ``watch``, and
``finding.<n>``, of which there are so many as are shown. All is public here: names of players are made up, and evidence
is what rules counted.
"""

import asyncio
from itertools import count
from typing import Any

import msgspec

from touchline_server.new_events import NewEvent, new_event

from .game import Publish
from .settings import PANEL_ROOM

PUBLISH_S = 0.25
"""At most so often; of what has a key only the newest goes out."""
FINDINGS_MAX = 30
"""Shown; a newer one takes the place of the oldest."""


class Panel:
    """Takes what is to be shown, at any time, and publishes it."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._changed: dict[str, NewEvent] = {}
        self._findings = count()

    def tell(self, finding: dict[str, Any]) -> None:
        """Something was found."""
        self.show(f"finding.{next(self._findings) % FINDINGS_MAX}", finding)

    def show(self, key: str, data: dict[str, Any] | None) -> None:
        """So something stands now; None takes it away."""
        self._changed[key] = new_event(msgspec.json.encode(data), key)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            if changed := self._changed:
                self._changed = {}
                await self._publish(PANEL_ROOM, list(changed.values()))
            await asyncio.sleep(PUBLISH_S)
