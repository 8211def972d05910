"""Reads what topics hold, whole, from a broker that does not receive records any more."""

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_protocol.errors import OperatorError

POLL_MS = 500


async def records_of(address: str, topics: Sequence[str]) -> AsyncIterator[ConsumerRecord[bytes | None, bytes | None]]:
    """Yield all records that the topics have now; in the order of offsets within each partition.

    Raises:
        OperatorError: the broker cannot be read.
    """
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=address,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        waiting = {partition for partition, end in ends.items() if end > 0}
        while waiting:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record
            waiting = {each for each in waiting if await consumer.position(each) < ends[each]}
    except REQUEST_ERRORS as error:
        raise OperatorError(f"cannot read {', '.join(topics)} at {address}: {describe(error)}") from error
    finally:
        await consumer.stop()
