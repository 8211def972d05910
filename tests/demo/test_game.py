"""The demo's game without a server: what it counts, what it ignores, and how often it publishes."""

import asyncio
import json
from collections.abc import Sequence

from touchline.actions import Action
from touchline_demo.game import WAVE_MS, Game, Match
from touchline_demo.panel import FINDINGS_MAX, Panel
from touchline_demo.readers import OwnActions
from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent


def action(room: str, kind: str = "tap", player: str = "ada", **data: object) -> Action:
    return Action(player, room, kind, data, "s", 1, 0, "e", 0, 0)


class Published:
    """Collects what the game publishes, by room."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None, object]] = []
        self.some = asyncio.Event()

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        self.events += [(room, event.key, json.loads(event.value or b"null")) for event in events]
        self.some.set()
        return [Position(0, 7) for _ in events]


def test_cheers_are_counted_for_each_team_and_published_once() -> None:
    match = Match()
    for team in ("home", "away", "home"):
        match.take("tap", "ada", {"team": team})
    match.take("fly", "ada", {})
    assert match.changes() == {"cheers": {"home": 2, "away": 1}}
    assert match.changes() == {}


def test_a_player_joins_only_the_current_wave_and_once() -> None:
    match = Match()
    assert match.next_wave() == {"number": 1, "ms": WAVE_MS}
    match.take("wave", "ada", {"offset": 7})
    match.wave_began(7)
    for player, offset in (("ada", 7), ("ada", 7), ("bea", 7), ("cy", 6)):
        match.take("wave", player, {"offset": offset})
    assert match.changes() == {"joined": {"number": 1, "players": 2}}
    match.next_wave()
    match.wave_began(9)
    assert match.changes() == {"joined": {"number": 2, "players": 0}}


async def test_actions_for_matches_that_are_not_played_are_ignored() -> None:
    published = Published()
    game = Game(OwnActions("player-actions"), published.publish, on=lambda: ["1"], watched=lambda _room: False)
    game.take([action("cheer:2", team="home"), action("match:1", team="home"), action("cheer:1", team="away")])
    running = asyncio.create_task(game.run())
    await published.some.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert published.events == [("cheer:1", "cheers", {"home": 0, "away": 1})]


async def test_the_panel_publishes_only_the_newest_value_of_each_key() -> None:
    published = Published()
    panel = Panel(published.publish)
    for number in range(2 * FINDINGS_MAX):
        panel.add_finding({"n": number})
        panel.show("counts", {"actions": number})
    running = asyncio.create_task(panel.run())
    await published.some.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    shown = {key: data for _, key, data in published.events}
    assert len(published.events) == len(shown) == FINDINGS_MAX + 1
    assert shown["counts"] == {"actions": 2 * FINDINGS_MAX - 1}
    assert shown["finding.0"] == {"n": FINDINGS_MAX}
