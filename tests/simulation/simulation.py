"""One run: two edges, their clients, a log and a network between them, without a socket and without a real clock.

The pace is that of live matches: three rooms with about one event per second each and bursts of up to 40, 50 clients in
one to three rooms each, ten of which act every five seconds. While there is trouble, each client's connection breaks,
stalls or is left about every 80 s, the log goes away every 40 s, and an edge is restarted every 50 s.
"""

from collections import Counter
from typing import NamedTuple

from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_protocol.codecs import CODECS
from touchline_server.core.subscription import Phase

from .client import SimClient
from .site import Site
from .stories import Stories, make_line
from .world import SECOND_US, World

CLIENTS = 50
PLAYERS = 10
SLOW = 10
EVENTS_PER_S = 1.0
LAST_S = 15
"""For the last events to arrive, and for players whose actions were taken one by one."""
CALM_S = 60
"""After the trouble: dead links are noticed, clients come back, and everything that was missed is caught up on."""


class Report(NamedTuple):
    """What came of a run. ``findings`` are broken promises; ``counts`` says what was covered, and how often."""

    findings: list[str]
    digest: str
    counts: Counter[str]


class Simulation:
    """A run by seed. In a third of the seeds the edges have a room store."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.site = Site(self.world, stored=seed % 3 == 0)
        self.site.log.create("score-events", 1)
        self.site.log.create("match-events", 2)
        self.clients = [self._client(number) for number in range(CLIENTS)]
        self.stories = Stories(self.site, self.clients)

    def run(self, trouble_s: int, calm_s: int = CALM_S) -> Report:
        """Some time with trouble, then some without; then everybody must be live and have everything."""
        stories, world = self.stories, self.world
        self.site.start_edges()
        stories.begin(EVENTS_PER_S)
        world.run_until(trouble_s * SECOND_US)
        stories.end_trouble()
        world.run_until((trouble_s + calm_s) * SECOND_US)
        stories.end()
        world.run_until((trouble_s + calm_s + LAST_S) * SECOND_US)
        self._check_end()
        return Report(list(self.site.findings), self.site.trace.digest, self.site.findings.counts)

    def _client(self, number: int) -> SimClient:
        player = f"player{number}" if number < PLAYERS else ""
        is_slow = number % (CLIENTS // SLOW) == 0
        codec = CODECS[number % len(CODECS)]
        return SimClient(self.site, number, codec, player, lambda: make_line(self.world, is_slow=is_slow))

    def _check_end(self) -> None:
        findings = self.site.findings
        for client in self.clients:
            client.actions.check_complete()
            for check in client.rooms.values():
                check.check_complete()
        acted = [each for client in self.clients for each in client.actions.acted]
        for breach in check_actions(acted, self.site.action_log.actions):
            findings.add(str(breach))
        clients = [client for edge in self.site.edges if edge is not None for client in edge.core.clients]
        if len(clients) != CLIENTS:
            findings.add(f"{len(clients)} of {CLIENTS} clients are connected at the end")
        for served in clients:
            for subscription in served.subscriptions.values():
                if subscription.phase is not Phase.LIVE:
                    findings.add(f"{subscription.room.name}: a subscription is {subscription.phase} at the end")
