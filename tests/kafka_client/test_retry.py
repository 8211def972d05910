"""What a client does while Kafka is away, besides trying again."""

import logging

import pytest

from touchline_kafka.retry import OncePerInterval, throttle_logs


def test_a_message_passes_once_per_interval_whatever_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test_once_per_interval")
    once = OncePerInterval(60)
    logger.addFilter(once)
    for broker in range(3):
        logger.warning("broker %d does not answer", broker)
        logger.warning("broker %d is slow", broker)
    assert [record.args for record in caplog.records] == [(0,), (0,)]


def test_a_message_passes_again_after_the_interval() -> None:
    once = OncePerInterval(0)
    assert [once.allows("message") for _ in range(2)] == [True, True]


def test_logs_are_throttled_once_however_often_it_is_asked_for() -> None:
    throttle_logs()
    throttle_logs()
    filters = logging.getLogger("aiokafka").filters
    assert len([one for one in filters if isinstance(one, OncePerInterval)]) == 1
