"""What is in the log of what players did: read from the topic, and compared with what was acknowledged."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from touchline_protocol.actions import ActionRecord, decode_action
from touchline_protocol.errors import OperatorError

READ_MS = 500
"""The longest that a look for more takes."""


class Session(NamedTuple):
    """A numbering of actions."""

    player: str
    name: str


class Compared(NamedTuple):
    """``missing``: acknowledged and not in the log. ``disordered``: after a later one, or in the log twice."""

    actions: int
    missing: int
    disordered: int


def compare(records: Iterable[ActionRecord], acked: Mapping[Session, int]) -> Compared:
    """Compare a log with sessions of whose actions 1 to ``acked`` were acknowledged, and no others sent."""
    newest: dict[Session, int] = {}
    found = disordered = 0
    for record in records:
        found += 1
        session = Session(record.player, record.session)
        if record.id == newest.get(session, 0) + 1:
            newest[session] = record.id
        else:
            disordered += 1
    missing = sum(max(0, highest - newest.get(session, 0)) for session, highest in acked.items())
    return Compared(found, missing, disordered)


async def read_actions(address: str, topic: str) -> list[ActionRecord]:
    """All that is in a topic now, partition by partition.

    Raises:
        OperatorError: the broker is not there, or refuses.
    """
    # Not by seeking there: that would race with the consumer's own first reset.
    start = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=address, **start)
    actions: list[ActionRecord] = []
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=READ_MS)).values():
                actions += [decode_action(record.value) for record in records]
        return actions
    except KafkaError as error:
        raise OperatorError(f"the broker at {address}: {error}") from error
    finally:
        await consumer.stop()
