"""Actions are read from the replica in the reader's own rack, and from the leader while that is away."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from actions.players import Players, ids, take
from support.kafka_racks import count_fetched, kafka_in_racks
from touchline.actions import Security
from touchline.actions.kafka import KafkaActions


@pytest.mark.long
async def test_actions_come_from_ones_own_rack_each_once_also_when_its_broker_is_lost(tmp_path: Path) -> None:
    with kafka_in_racks(tmp_path) as cluster:
        leader, _, near = cluster.brokers
        players = Players(leader)
        await cluster.create_led_by(leader, players.topic)
        reader = players.read(security=Security(rack="c"))
        assert isinstance(reader, KafkaActions)
        async with reader as actions:
            assert reader._member is not None
            bytes_by_node: Counter[int] = Counter()
            await players.act("ann", 1)
            assert ids(await take(actions, 1)) == [1]
            count_fetched(reader._member.consumer.client, bytes_by_node)
            await players.act("ann", *range(2, 40))
            assert ids(await take(actions, 38)) == list(range(2, 40))
            assert bytes_by_node.keys() == {near.node_id}

            bytes_by_node.clear()
            await asyncio.to_thread(near.stop, kill=True)
            await players.act("ann", *range(40, 60))
            assert ids(await take(actions, 20)) == list(range(40, 60))
            assert bytes_by_node.keys() == {leader.node_id}
            assert actions.duplicates == 0
