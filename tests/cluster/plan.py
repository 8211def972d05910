"""The plan of a run: which faults happen, to whom, and how long they last. The seed decides all of it.

Pure. There are three lanes: of brokers, of topics and of edges. In each of them faults follow one another, each after
the one before has healed. A plan has waits instead of times, since a broker takes as long to come back as the machine
needs.
"""

from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple, TypeVar, get_args

BrokerFault = Literal["kill_leader", "roll", "two_down", "elect", "reassign", "pause_broker", "cut_off", "unclean"]
TopicFault = Literal["trim", "overtake", "recreate", "add_partitions"]
EdgeFault = Literal["stop_edge", "kill_edge", "pause_edge", "cut_client", "silence_client"]
VerdictFault = Literal["mute", "ban", "pardon"]

BROKER_FAULTS: tuple[BrokerFault, ...] = get_args(BrokerFault)
TOPIC_FAULTS: tuple[TopicFault, ...] = get_args(TopicFault)
EDGE_FAULTS: tuple[EdgeFault, ...] = get_args(EdgeFault)

BROKER_REST_S = (1.0, 4.0)
TOPIC_REST_S = (3.0, 10.0)
EDGE_REST_S = (1.0, 5.0)
AWAY_S = (1.0, 6.0)
"""How long a fault lasts: shorter and longer than a broker's session, which is 4 s."""

FAULTS_PER_S = 0.3
"""More faults than can ever be performed in a second: a plan must not run out of them."""

SANCTIONED_SHARE = 0.3
"""The share of players that receive a verdict."""

K = TypeVar("K", BrokerFault, TopicFault, EdgeFault)


class Fault(NamedTuple):
    """Wait, then do this to the ``target`` (a number, counted modulo the number of candidates) for ``away_s``."""

    wait_s: float
    kind: str
    target: int
    away_s: float

    def __str__(self) -> str:
        return f"after {self.wait_s:4.1f} s  {self.kind:15} target {self.target}  for {self.away_s:.1f} s"


class Sanction(NamedTuple):
    """At this time of the run, a verdict about the player with this number."""

    at_s: float
    player: int
    kind: VerdictFault

    def __str__(self) -> str:
        return f"at {self.at_s:6.1f} s  {self.kind:15} player {self.player}"


class Plan(NamedTuple):
    """What happens in a run of ``seconds``. Faults that are left at its end do not happen."""

    seed: int
    seconds: float
    brokers: Sequence[Fault]
    topics: Sequence[Fault]
    edges: Sequence[Fault]
    sanctions: Sequence[Sanction]

    def __str__(self) -> str:
        parts = {"brokers": self.brokers, "topics": self.topics, "edges": self.edges, "verdicts": self.sanctions}
        lines = [f"seed {self.seed}, {self.seconds:g} s"]
        for name, part in parts.items():
            lines += [f"{name}:", *(f"  {each}" for each in part)]
        return "\n".join(lines)


def make_plan(
    seed: int,
    seconds: float,
    players: int,
    brokers: Sequence[BrokerFault] = BROKER_FAULTS,
    topics: Sequence[TopicFault] = TOPIC_FAULTS,
    edges: Sequence[EdgeFault] = EDGE_FAULTS,
) -> Plan:
    """The plan of a seed. Each kind of fault happens before any happens again."""
    random = Random(seed)
    count = round(seconds * FAULTS_PER_S)
    return Plan(
        seed,
        seconds,
        _faults(random, brokers, count, BROKER_REST_S),
        _faults(random, topics, count, TOPIC_REST_S),
        _faults(random, edges, count, EDGE_REST_S),
        _sanctions(random, seconds, players),
    )


def _faults(random: Random, kinds: Sequence[K], count: int, rest_s: tuple[float, float]) -> list[Fault]:
    faults: list[Fault] = []
    while kinds and len(faults) < count:
        faults += [
            Fault(random.uniform(*rest_s), kind, random.randrange(1 << 16), random.uniform(*AWAY_S))
            for kind in random.sample(kinds, len(kinds))
        ]
    return faults[:count]


def _sanctions(random: Random, seconds: float, players: int) -> list[Sanction]:
    """Some players are muted, some banned, and some are pardoned after that."""
    sanctions: list[Sanction] = []
    for player in random.sample(range(players), round(players * SANCTIONED_SHARE)):
        kind: VerdictFault = random.choice(("mute", "ban"))
        at_s = random.uniform(0.1, 0.5) * seconds
        sanctions.append(Sanction(at_s, player, kind))
        if kind == "mute" and random.random() < 1 / 3:
            sanctions.append(Sanction(at_s + 0.2 * seconds, player, "pardon"))
    return sorted(sanctions)
