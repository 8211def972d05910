"""Faults of brokers. Each method returns when its broker is back; `cluster_faults.py` waits until all is in sync."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence

from cluster.faults.healing import until_healed
from cluster.plan import Fault
from cluster.producers import Publisher
from cluster.rig import Rig, start_broker, stop_broker
from cluster.scene import FEEDS, FRAIL, STEADY, Feed
from support.kafka_broker import KafkaBroker
from support.waiting import eventually
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.trace import Trace

LOSS_S = 3.0
"""How long a leader goes on alone before it is lost, with what nobody else has."""
SESSION_S = 4.0
"""How long the controller believes in a broker that does not report."""


class BrokerFaults:
    """``breaches`` has what was found while a broker was away. ``traces`` is what clients have seen so far."""

    def __init__(self, rig: Rig, publishers: Mapping[str, Publisher], traces: Sequence[Trace]) -> None:
        self.breaches: list[Breach] = []
        self._rig = rig
        self._publishers = publishers
        self._traces = traces

    async def kill_leader(self, fault: Fault) -> None:
        """Kill the leader of a partition."""
        broker = await self._rig.leader(FEEDS[fault.target % len(FEEDS)].topic)
        await stop_broker(broker, kill=True)
        await asyncio.sleep(fault.away_s)
        await start_broker(broker)

    async def roll(self, fault: Fault) -> None:
        """Restart each broker as an operator does, without leaving time in between."""
        brokers = self._rig.cluster.brokers
        for number in range(len(brokers)):
            broker = brokers[(fault.target + number) % len(brokers)]
            await stop_broker(broker, kill=False)
            await start_broker(broker)
            await until_healed(self._rig)

    async def two_down(self, fault: Fault) -> None:
        """Kill two brokers: there is no quorum then."""
        pair = [broker for broker in self._rig.cluster.brokers if broker is not self._broker(fault)]
        await asyncio.gather(*(stop_broker(broker, kill=True) for broker in pair))
        await asyncio.sleep(fault.away_s)
        for broker in pair:
            broker.launch()
        await asyncio.gather(*(asyncio.to_thread(broker.wait_started) for broker in pair))

    async def elect(self, fault: Fault) -> None:
        """Make other replicas preferred, and elect them."""
        await self._rotate(STEADY, fault)
        await self._rig.admin.elect(STEADY.topic, range(STEADY.partitions))

    async def reassign(self, fault: Fault) -> None:
        """Take a replica away from each partition, the leader's where it comes so, and give it back."""
        admin = self._rig.admin
        before = await admin.describe(STEADY.topic)
        away = self._broker(fault).node_id
        await admin.reassign(
            STEADY.topic, {number: [each for each in part.replicas if each != away] for number, part in before.items()}
        )
        await admin.until(STEADY.topic, lambda each: away not in each.replicas)
        await asyncio.sleep(fault.away_s)
        await self._rotate(STEADY, fault)

    async def pause_broker(self, fault: Fault) -> None:
        """Stop a broker's process without ending it."""
        broker = self._broker(fault)
        broker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2 * fault.away_s)
        broker.send_signal(signal.SIGCONT)

    async def cut_off(self, fault: Fault) -> None:
        """Cut a leader off from the other brokers, but not from clients, for longer than its session."""
        async with self._rig.united:
            broker = await self._rig.leader(STEADY.topic)
            await asyncio.to_thread(self._rig.cluster.cut_off, broker)
            await asyncio.sleep(SESSION_S + fault.away_s)
            await self._check_flow()
            await asyncio.to_thread(self._rig.cluster.join, broker)
            await until_healed(self._rig)

    async def unclean(self, fault: Fault) -> None:
        """Lose acknowledged records: a replica that lacks them becomes the leader."""
        leader = await self._rig.leader(FRAIL.topic)
        (other,) = set((await self._rig.admin.describe(FRAIL.topic))[0].replicas) - {leader.node_id}
        follower = self._rig.cluster.brokers[other - 1]
        await stop_broker(follower, kill=False)
        await self._rig.admin.until(FRAIL.topic, lambda each: each.in_sync == {leader.node_id})
        await asyncio.sleep(LOSS_S)
        await stop_broker(leader, kill=True)
        await start_broker(follower)
        await self._rig.admin.until(FRAIL.topic, lambda each: each.leader == follower.node_id)
        await asyncio.sleep(fault.away_s)
        await start_broker(leader)

    async def _check_flow(self) -> None:
        """New events of partition 0 reach all clients while its old leader is still cut off."""
        publisher = self._publishers[STEADY.name]
        before = set(publisher.acked)

        def new() -> list[int]:
            return [
                number for number, (log, _) in publisher.acked.items() if number not in before and not log.partition
            ]

        def waiting() -> list[str]:
            number = new()[0]
            room = publisher.sent[number].room
            return [
                trace.client for trace in self._traces if trace.room == room and max(trace.newest, default=0) < number
            ]

        if not await _until(lambda: bool(new())):
            self.breaches.append(Breach("stalled", "the producer", "nothing could be published past a broker cut off"))
        elif not await _until(lambda: not waiting()):
            self.breaches.append(Breach("stalled", waiting()[0], "no new events while a broker was cut off"))

    def _broker(self, fault: Fault) -> KafkaBroker:
        brokers = self._rig.cluster.brokers
        return brokers[fault.target % len(brokers)]

    async def _rotate(self, feed: Feed, fault: Fault) -> None:
        ids = [broker.node_id for broker in self._rig.cluster.brokers]
        shift = 1 + fault.target % (len(ids) - 1)
        replicas = {
            number: [ids[(number + shift + place) % len(ids)] for place in range(len(ids))]
            for number in range(feed.partitions)
        }
        await self._rig.admin.reassign(feed.topic, replicas)
        await self._rig.admin.until(feed.topic, lambda each: len(each.in_sync) == len(ids))


async def _until(condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds; False if it never does."""
    try:
        await eventually(condition)
    except TimeoutError:
        return False
    return True
