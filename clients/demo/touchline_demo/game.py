"""The demo's game, written like any game's backend: it reads what players do, counts, and publishes the results.

Everybody in a match's room sees the same counts. `Match` is pure; `Game` is its loop. It publishes in
``cheer:<match>``:

    cheers   {"home", "away"}                how often each team was cheered for
    wave     {"number", "ms"}                a wave begins; players have this long to join it
    joined   {"number", "players"}           how many joined the newest wave

However many taps arrive, each key is published at most once per `PUBLISH_S` in a room, so a bot cannot cause a flood.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from touchline.actions import Action, ActionSource
from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent, new_event

from .settings import CHEER, TAP, WAVE

PUBLISH_S = 0.25
WAVE_EVERY_S = 7.0
WAVE_MS = 2_500
"""A person joins within half a second, or within two on a slow network and after a moment of thought."""

Publish: TypeAlias = Callable[[str, Sequence[NewEvent]], Awaitable[Sequence[Position]]]
"""Appends events to a room, as `Node.publish` does."""
Changes: TypeAlias = dict[str, dict[str, Any]]
"""Data by event key."""


class Match:
    """The game of one match. Pure."""

    def __init__(self) -> None:
        self._cheers = {"home": 0, "away": 0}
        self._waves = 0
        self._wave_offset = -1
        self._joined: set[str] = set()
        self._changed: set[str] = set()

    def take(self, kind: str, player: str, data: Any) -> None:
        """Count what a player did. Actions without a meaning in this game are ignored."""
        if kind == TAP and data["team"] in self._cheers:
            self._cheers[data["team"]] += 1
            self._changed.add("cheers")
        elif kind == WAVE and data["offset"] == self._wave_offset and player not in self._joined:
            self._joined.add(player)
            self._changed.add("joined")

    def next_wave(self) -> dict[str, int]:
        """The data of the event that begins a wave. Call `wave_began` with its offset once it is published."""
        self._waves += 1
        return {"number": self._waves, "ms": WAVE_MS}

    def wave_began(self, offset: int) -> None:
        """Players join a wave by its offset, so nobody can join one that was not published yet."""
        self._wave_offset = offset
        self._joined.clear()
        self._changed.add("joined")

    def changes(self) -> Changes:
        """What has changed since the last call, to be published."""
        data: Changes = {"cheers": self._cheers, "joined": {"number": self._waves, "players": len(self._joined)}}
        changed = {key: data[key] for key in sorted(self._changed)}
        self._changed.clear()
        return changed


class Game:
    """All matches. ``on`` names those being played; ``watched`` tells whether anybody is in a room."""

    def __init__(
        self,
        actions: ActionSource,
        publish: Publish,
        on: Callable[[], Collection[str]],
        watched: Callable[[str], bool],
    ) -> None:
        self._actions = actions
        self._publish = publish
        self._on = on
        self._watched = watched
        self._matches: dict[str, Match] = {}

    async def run(self) -> None:
        """Count and publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._count())
            group.create_task(self._publish_changes())
            group.create_task(self._start_waves())

    def take(self, actions: Iterable[Action]) -> None:
        """Count actions. Those for a match that is not being played are ignored: a player can name any room."""
        for action in actions:
            feed, _, match_id = action.room.partition(":")
            if feed == CHEER and match_id in self._on():
                self._match(match_id).take(action.kind, action.player, action.data)

    def _match(self, match_id: str) -> Match:
        for over in self._matches.keys() - set(self._on()):
            del self._matches[over]
        return self._matches.setdefault(match_id, Match())

    async def _count(self) -> None:
        while True:
            self.take(await self._actions.batch())

    async def _publish_changes(self) -> None:
        while True:
            for match_id, match in list(self._matches.items()):
                if changes := match.changes():
                    await self._publish(f"{CHEER}:{match_id}", [_event(key, data) for key, data in changes.items()])
            await asyncio.sleep(PUBLISH_S)

    async def _start_waves(self) -> None:
        """Start waves only where somebody is, so that a demo without visitors stays quiet."""
        while True:
            await asyncio.sleep(WAVE_EVERY_S)
            for match_id in list(self._on()):
                room = f"{CHEER}:{match_id}"
                if self._watched(room):
                    match = self._match(match_id)
                    (position,) = await self._publish(room, [_event(WAVE, match.next_wave())])
                    match.wave_began(position.offset)


def _event(key: str, data: dict[str, Any]) -> NewEvent:
    return new_event(msgspec.json.encode(data), key)
