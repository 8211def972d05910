"""Performs the faults of a plan on the cluster: those of brokers one after the other, those of topics beside them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cluster.faults.broker_faults import BrokerFaults
from cluster.faults.healing import until_healed
from cluster.faults.topic_faults import TopicFaults
from cluster.plan import BrokerFault, Fault, TopicFault
from cluster.producers import Publisher
from cluster.rig import Rig
from cluster.truth import Truth
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.trace import Trace

Way = Callable[[Fault], Awaitable[None]]


class ClusterFaults:
    """``done`` counts what has healed, and ``breaches`` has what was found meanwhile."""

    def __init__(self, rig: Rig, publishers: Mapping[str, Publisher], truth: Truth, traces: Sequence[Trace]) -> None:
        self.done: Counter[str] = Counter()
        self._rig = rig
        self._brokers = brokers = BrokerFaults(rig, publishers, traces)
        topics = TopicFaults(rig, publishers, truth)
        self._broker_ways: dict[BrokerFault, Way] = {
            "kill_leader": brokers.kill_leader,
            "roll": brokers.roll,
            "two_down": brokers.two_down,
            "elect": brokers.elect,
            "reassign": brokers.reassign,
            "pause_broker": brokers.pause_broker,
            "cut_off": brokers.cut_off,
            "unclean": brokers.unclean,
        }
        self._topic_ways: dict[TopicFault, Way] = {
            "trim": topics.trim,
            "overtake": topics.overtake,
            "recreate": topics.recreate,
            "add_partitions": topics.add_partitions,
        }

    @property
    def breaches(self) -> list[Breach]:
        return self._brokers.breaches

    async def disturb_brokers(self, fault: Fault) -> None:
        """Perform one fault, and wait until the cluster has recovered from it."""
        await self._broker_ways[fault.kind](fault)  # type: ignore[index]
        await until_healed(self._rig)
        self.done[fault.kind] += 1

    async def damage_topics(self, fault: Fault) -> None:
        """Perform one fault, whatever happens to brokers meanwhile."""
        await self._topic_ways[fault.kind](fault)  # type: ignore[index]
        self.done[fault.kind] += 1
