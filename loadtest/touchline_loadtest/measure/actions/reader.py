"""Reads the topic of player actions, to compare it with what the server acknowledged."""

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from touchline_protocol.actions import ActionRecord, decode_action
from touchline_protocol.errors import OperatorError

FETCH_TIMEOUT_MS = 500


async def read_actions(address: str, topic: str) -> list[ActionRecord]:
    """Everything that is in a topic now, one partition after the other.

    Raises:
        OperatorError: the broker cannot be reached, or refuses.
    """
    # Not with a seek to the beginning: that would race with the consumer's own first reset.
    start = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=address, **start)
    actions: list[ActionRecord] = []
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=FETCH_TIMEOUT_MS)).values():
                actions += [decode_action(record.value) for record in records]
        return actions
    except KafkaError as error:
        raise OperatorError(f"the broker at {address}: {error}") from error
    finally:
        await consumer.stop()
