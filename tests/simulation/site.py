"""Where the edges run, over one log; and what everything in a run shares."""

from touchline_protocol.codecs import Codec

from .action_log import ActionLog
from .edge_knowledge import EdgeKnowledge
from .edge_shell import EdgeOptions, EdgeShell
from .findings import Findings, Trace
from .log import Log
from .network import Link
from .world import MS_US, World

POLL_US = (10 * MS_US, 3_000 * MS_US)
"""There is an edge for each: one that reads the log at once, and one that clients of the other may be ahead of."""


class Site:
    """``edges`` has those that run now; None for one that is down."""

    def __init__(self, world: World, *, stored: bool) -> None:
        self.world = world
        self.stored = stored
        self.findings = Findings(world)
        self.trace = Trace(world)
        self.log = Log(world)
        self.action_log = ActionLog(world, self.log)
        self.edges: list[EdgeShell | None] = [None for _ in POLL_US]
        self._started = 0

    def start_edges(self) -> None:
        """Start all of them."""
        for place in range(len(self.edges)):
            self._start(place)

    def accept(self, link: Link, codec: Codec) -> EdgeKnowledge | None:
        """Connect a link to an edge, as a load balancer would; returns what that edge knows. None: no edge is there."""
        edges = [edge for edge in self.edges if edge is not None and not edge.core.is_draining]
        if not edges:
            return None
        edge = self.world.random.choice(edges)
        edge.accept(link, codec)
        return edge.knowledge

    def restart_edge(self, place: int, down_us: int, *, drain_ms: int = 0, silently: bool = False) -> None:
        """Replace an edge: drained first, if ``drain_ms`` is given, and otherwise killed."""
        edge = self.edges[place]
        if edge is None or edge.core.is_draining:
            return
        if drain_ms:
            edge.drain(drain_ms, lambda: self._restart_after(place, down_us))
        else:
            edge.kill(silently=silently)
            self._restart_after(place, down_us)

    def _restart_after(self, place: int, down_us: int) -> None:
        self.edges[place] = None
        self.world.after(down_us, self._start, place)

    def _start(self, place: int) -> None:
        self._started += 1
        self.edges[place] = EdgeShell(
            self.world,
            self.log,
            self.action_log,
            EdgeOptions(self._started, self.stored, POLL_US[place]),
            EdgeKnowledge(self.log, stored=self.stored),
            self.findings.counts,
        )
