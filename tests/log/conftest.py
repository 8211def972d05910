"""What the tests of logs share, and pytest's explanations of assertions that failed in the shared contract."""

from collections.abc import AsyncIterator

import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness

pytest.register_assert_rewrite("log.contract", "log.contract_reading", "log.contract_topics", "log.contract_shared")


@pytest.fixture
async def harness(kafka: KafkaBroker) -> AsyncIterator[KafkaHarness]:
    """A real broker. Tests of the embedded log have another harness."""
    harness = KafkaHarness(kafka)
    yield harness
    await harness.close()
