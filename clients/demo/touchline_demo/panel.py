"""What the page shows of cheat detection, published into a room of its own: `settings.PANEL_ROOM`.

All of it is state, so that visitors who come later see the same. The keys are ``bot.<player>``, ``counts``, and
``finding.<n>``, one for each finding that is shown. All of it can be public: players' names are invented, and evidence
is only what the rules counted.
"""

import asyncio
from itertools import count
from typing import Any

import msgspec

from touchline_server.new_events import NewEvent, new_event

from .game import Publish
from .settings import PANEL_ROOM

PUBLISH_S = 0.25
"""Publish at most this often; for each key only the newest value."""
FINDINGS_MAX = 30
"""How many are shown; a new one replaces the oldest."""


class Panel:
    """Collects what to show, at any time, and publishes it."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._changed: dict[str, NewEvent] = {}
        self._findings = count()

    def add_finding(self, finding: dict[str, Any]) -> None:
        """Show a finding."""
        self.show(f"finding.{next(self._findings) % FINDINGS_MAX}", finding)

    def show(self, key: str, data: dict[str, Any] | None) -> None:
        """Show ``data`` under ``key``; None removes it."""
        self._changed[key] = new_event(msgspec.json.encode(data), key)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            if changed := self._changed:
                self._changed = {}
                await self._publish(PANEL_ROOM, list(changed.values()))
            await asyncio.sleep(PUBLISH_S)
