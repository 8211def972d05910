"""Where a log departs from what was read from it."""

from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from support.kafka_broker import KafkaBroker
from support.log_cut import cut_back
from touchline_kafka.cluster import Cluster
from touchline_kafka.fetch import epoch_ends
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry, LeaderEpochs, divergence
from touchline_kafka.topics import Topics

LOGS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=8)
"""Epochs by how much they rise, and how many records each has."""


def log_of(steps: list[tuple[int, int]], first: int = 0) -> list[int]:
    """The epoch of each record of a log."""
    epochs, epoch = [], first
    for rise, count in steps:
        epoch += rise
        epochs += [epoch] * count
    return epochs


def answer_of(log: list[int], epoch: int) -> EpochEnd:
    """What a leader with this log answers."""
    older = [one for one in log if one <= epoch]
    if not older or (log[-1] < epoch):
        return EpochEnd(UNKNOWN_EPOCH, -1)
    return EpochEnd(older[-1], len(older))


@given(LOGS, LOGS, LOGS)
def test_the_divergence_of_two_logs_is_found_and_never_too_late(
    common: list[tuple[int, int]], lost: list[tuple[int, int]], new: list[tuple[int, int]]
) -> None:
    shared = log_of(common)
    ours = shared + log_of(lost, max([1, *shared]))
    theirs = shared + log_of([(1, 1), *new], max([1, *ours]))  # the newest leader has written
    known = LeaderEpochs()
    for offset, epoch in enumerate(ours):
        known.add(EpochEntry(epoch, offset))
    last = known.before(len(ours))
    if last is None:
        assert not ours
        return
    found = divergence(last, answer_of(theirs, last.epoch), len(ours))
    same = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), len(ours))
    if same < len(ours):
        assert found is not None
        assert found <= same
    else:
        assert found is None


def test_an_epoch_that_the_leader_does_not_know_leaves_nothing_certain() -> None:
    assert divergence(EpochEntry(7, 10), EpochEnd(UNKNOWN_EPOCH, -1), 20) == 0


def test_records_of_an_epoch_that_the_leader_lacks_are_lost_from_their_first_on() -> None:
    assert divergence(EpochEntry(4, 30), EpochEnd(3, 40), 35) == 30


def test_a_place_where_nothing_was_read_departs_from_nothing() -> None:
    known = LeaderEpochs()
    known.add(EpochEntry(5, 30))
    assert known.before(30) == EpochEntry(5, 30)
    assert divergence(EpochEntry(5, 30), EpochEnd(3, 30), 30) is None


async def test_a_broker_that_lost_the_end_of_its_log_says_where(kafka_to_restart: KafkaBroker) -> None:
    broker, topic = kafka_to_restart, "cut"
    await broker.create(topic)
    async with AIOKafkaProducer(bootstrap_servers=broker.address) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number)
    client = await Cluster([broker.address]).connect()
    try:
        before = (await Topics(client).describe([topic]))[topic]
    finally:
        await client.release()
    async with cut_back(broker, topic, 6):
        pass
    client = await Cluster([broker.address]).connect()
    try:
        after = (await Topics(client).describe([topic]))[topic]
        asked = before.leader_epochs[0]
        assert after.leader_epochs[0] > asked
        end = (await epoch_ends(client, after, {0: asked}))[0]
    finally:
        await client.release()
    assert end == EpochEnd(asked, 6)
