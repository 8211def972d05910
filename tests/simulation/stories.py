"""What happens in a run besides time: events of matches, what users do, and what goes wrong.

Each story happens at random times, at a rate of its own.
"""

from typing import Any

from touchline_protocol.messages import Deliver

from .client import SimClient
from .network import Line
from .site import Site
from .tokens import REFUSED_KIND
from .world import MS_US, SECOND_US, Callback, World

ROOMS = ("score:1", "match:1", "match:2")
KEYS = ("score", "clock")
PLAYERS_MAX = 30


class Stories:
    """All stories of a run."""

    def __init__(self, site: Site, clients: list[SimClient]) -> None:
        self._site = site
        self._world = site.world
        self._clients = clients
        self._trouble = True
        self._over = False
        self._actions = 0

    def begin(self, events_per_s: float) -> None:
        """Begin all of them; each room gets about so many events a second."""
        for room in ROOMS:
            self._every(SECOND_US / events_per_s, self._produce, room)
            self._every(45 * SECOND_US, self._burst, room)
        for client in self._clients:
            self._world.after(self._world.between(0, 5 * SECOND_US), self._arrive, client)
        self._every(40 * SECOND_US, self._if_trouble, self._log_away)
        self._every(50 * SECOND_US, self._if_trouble, self._restart)
        self._every(90 * SECOND_US, self._if_trouble, self._change_topic)
        self._every(60 * SECOND_US, self._if_trouble, self._set_clock)

    def end_trouble(self) -> None:
        """Nothing more goes wrong: what is away comes back, and stays."""
        self._trouble = False
        self._site.log.away = False
        self._site.action_log.fails = 0.0
        self._site.restart_edge(0, SECOND_US, drain_ms=2_000)  # its clients come to the other with newer cursors
        for client in self._clients:
            client.come_back()

    def end(self) -> None:
        """Nothing more happens, after an event in each room by which clients notice whatever they still miss."""
        self._over = True
        for room in ROOMS:
            self._produce(room)

    # Events.

    def _produce(self, name: str) -> None:
        feed, _, room = name.partition(":")
        key = self._world.random.choice((None, *KEYS, f"player.{self._world.random.randrange(PLAYERS_MAX)}"))
        remove = key is not None and self._world.chance(0.1)
        self._site.log.append(feed, room, key, remove=remove, pad=self._world.random.randint(20, 120))

    def _burst(self, name: str) -> None:
        for _ in range(self._world.random.randint(5, 40)):
            self._produce(name)

    # Users.

    def _arrive(self, client: SimClient) -> None:
        for room in self._world.random.sample(ROOMS, self._world.random.randint(1, len(ROOMS))):
            self._follow(client, room)
        self._every(60 * SECOND_US, self._change_rooms, client)
        self._every(80 * SECOND_US, self._if_trouble, self._trouble_client, client)
        if client.player:
            self._every(5 * SECOND_US, self._act, client)

    def _follow(self, client: SimClient, room: str) -> None:
        deliver: Deliver = "latest" if self._world.chance(0.3) else "all"
        client.follow(room, deliver, last=self._world.random.choice((0, 0, 20)))

    def _change_rooms(self, client: SimClient) -> None:
        room = self._world.random.choice(ROOMS)
        if client.is_away:
            return
        if room not in client.rooms:
            self._follow(client, room)
        elif len(client.rooms) > 1:
            client.leave(room)
            if self._world.chance(0.5):
                self._follow(client, room)  # at once: what is still on its way belongs to the room as it was left

    def _act(self, client: SimClient) -> None:
        if client.is_away:
            return
        for _ in range(30 if self._world.chance(0.02) else 1):
            self._actions += 1
            kind = REFUSED_KIND if self._world.chance(0.1) else "tap"
            client.act(self._world.random.choice(ROOMS), kind, self._actions)

    # Trouble.

    def _trouble_client(self, client: SimClient) -> None:
        world, link = self._world, client.link
        if link is None:
            return
        match world.random.randrange(6):
            case 0:
                link.break_off(world.between(50 * MS_US, 3 * SECOND_US), world.between(50 * MS_US, 20 * SECOND_US))
            case 1:
                link.break_off(None)
            case 2:
                link.stall(world.between(SECOND_US, 9 * SECOND_US))
            case 3:
                client.stop_reading(world.between(SECOND_US, 25 * SECOND_US))
            case _:
                client.go_away(world.between(SECOND_US, world.random.choice((20, 90, 200)) * SECOND_US))

    def _log_away(self) -> None:
        self._site.log.away = True
        self._world.after(self._world.between(100 * MS_US, 8 * SECOND_US), self._log_back)

    def _log_back(self) -> None:
        if self._world.chance(0.3):  # retention overtakes the edges
            for topic in self._site.log.topics.values():
                topic.delete_before(self._site.log.time_ms, self._site.log.time_ms)
        self._site.log.away = False

    def _restart(self) -> None:
        place = self._world.random.randrange(len(self._site.edges))
        down_us = self._world.between(100 * MS_US, 5 * SECOND_US)
        match self._world.random.randrange(3):
            case 0:
                self._site.restart_edge(place, down_us, drain_ms=self._world.random.randint(500, 5_000))
            case 1:
                self._site.restart_edge(place, down_us)
            case _:
                self._site.restart_edge(place, down_us, silently=True)

    def _change_topic(self) -> None:
        name = self._world.random.choice(list(self._site.log.topics))
        partitions = len(self._site.log.topics[name].partitions)
        if self._site.stored or partitions > 3 or self._world.chance(0.5):
            self._site.log.create(name, self._world.random.randint(1, 3))
        else:
            self._site.log.add_partition(name)

    def _set_clock(self) -> None:
        self._world.wall_ahead_ms = self._world.random.randint(-2_000, 2_000)

    def _if_trouble(self, story: Callback, *args: Any) -> None:
        if self._trouble:
            story(*args)

    def _every(self, mean_us: float, story: Callback, *args: Any) -> None:
        """Let something happen at random times, once per ``mean_us`` on average."""
        self._world.after(self._world.about(mean_us), self._happen, mean_us, story, args)

    def _happen(self, mean_us: float, story: Callback, args: tuple[Any, ...]) -> None:
        if not self._over:
            story(*args)
            self._every(mean_us, story, *args)


def make_line(world: World, *, is_slow: bool) -> Line:
    """The network of one connection: a fast line with a larger buffer, or a slow one with a small buffer."""
    latency_us = world.between(5 * MS_US, 80 * MS_US)
    if is_slow:
        return Line(latency_us, 40 * MS_US, world.random.randint(8_000, 16_000), 1_000)
    return Line(latency_us, 20 * MS_US, world.random.randint(50_000, 1_000_000), 4_000)
