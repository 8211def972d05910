"""The requests of a producer: for an id, and to append a batch.

aiokafka's own produce request stops before version 8, whose answers name the records that the broker refused (KIP-467).
"""

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.protocol.api import Request
from aiokafka.protocol.produce import ProduceRequest_v8
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from touchline_kafka.client import Client
from touchline_kafka.errors import error_of

ACKS_ALL = -1
NO_TRANSACTION_MS = -1
SEQUENCE_MASK = 0x7FFF_FFFF
"""Sequence numbers start again at 0 after the largest 32-bit integer."""
_MAGIC = 2
_NOT_COMPRESSED = 0
_NOT_TRANSACTIONAL = 0
_UNNUMBERED = (-1, -1, -1)


class SequenceNumbers:
    """A producer id, and the sequence number that its next record in a partition gets.

    By these the broker recognises a batch that it receives a second time, and does not append it again.
    """

    def __init__(self, producer_id: int, producer_epoch: int) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.next = 0

    def advance(self, records: int) -> None:
        """The broker has this many more records."""
        self.next = (self.next + records) & SEQUENCE_MASK


class Produced(NamedTuple):
    """A broker's answer for one batch: the offset of its first record, or an error code.

    ``refused`` has the indexes of the refused records and the broker's texts; ``message`` is its text for all.
    """

    error: int
    offset: int
    refused: Sequence[tuple[int, str | None]]
    message: str | None


class BatchBuilder:
    """Makes a record batch of at most ``bytes_max``, or of one larger record."""

    def __init__(self, bytes_max: int) -> None:
        self._builder = DefaultRecordBatchBuilder(_MAGIC, _NOT_COMPRESSED, _NOT_TRANSACTIONAL, *_UNNUMBERED, bytes_max)
        self.records = 0

    def add(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], timestamp_ms: int
    ) -> bool:
        """Add a record; returns False if there is no room for it."""
        if self._builder.append(self.records, timestamp_ms, key, value, list(headers)) is None:
            return False
        self.records += 1
        return True

    def build(self, numbers: SequenceNumbers) -> bytes:
        """The batch. Call this once."""
        self._builder.set_producer_state(numbers.producer_id, numbers.producer_epoch, numbers.next)
        return bytes(self._builder.build())


class _ProduceRequest(Request[ProduceRequest_v8]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 0

    def __init__(self, topic: str, partition: int, batch: bytes, timeout_ms: int) -> None:
        self._fields = (None, ACKS_ALL, timeout_ms, [(topic, [(partition, batch)])])

    def build(self, request_struct_class: type[ProduceRequest_v8]) -> ProduceRequest_v8:
        return request_struct_class(*self._fields)


async def fetch_sequence_numbers(client: Client, node: int) -> SequenceNumbers:
    """Ask a broker for a producer id that nobody else has.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer, or the broker refuses.
    """
    response = await client.send(node, InitProducerIdRequest(None, NO_TRANSACTION_MS))
    if response.error_code:
        raise error_of(response.error_code)
    return SequenceNumbers(response.producer_id, response.producer_epoch)


async def produce(client: Client, node: int, topic: str, partition: int, batch: bytes, timeout_ms: int) -> Produced:
    """Append a batch at the partition's leader; all replicas in sync have it before the answer.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    response = await client.send(node, _ProduceRequest(topic, partition, batch, timeout_ms))
    (_, ((_, error, offset, _, _, refused, message),)) = response.topics[0]
    return Produced(error, offset, refused or (), message)
