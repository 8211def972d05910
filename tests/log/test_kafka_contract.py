"""`KafkaLog` keeps the contract of a log, on a real broker."""

import pytest

from log.contract import LogContract
from log.contract_acting import ActingLogContract
from log.contract_reading import ReadingContract
from log.contract_shared import SharedLogContract
from log.contract_topics import TopicsContract
from support.kafka_log_harness import KafkaHarness


@pytest.fixture
def shared(harness: KafkaHarness) -> KafkaHarness:
    return harness


class TestKafkaLog(LogContract, ReadingContract, TopicsContract, ActingLogContract):
    pass


class TestSharedKafkaLog(SharedLogContract):
    pass
