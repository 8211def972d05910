"""The scenarios of actions and verdicts, at a tiny size with real servers and Kafka."""

import pytest

from support.kafka_broker import KafkaBroker
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.results import Result
from touchline_loadtest.scenarios.players import action_latency, actions, verdict_latency

BENCH = Bench(Cores(None, None))


def assert_nothing_lost(result: Result) -> None:
    assert result.row("acknowledged but not in Kafka").value == 0
    assert result.row("in Kafka twice, out of order, or never sent").value == 0


async def test_acknowledged_actions_are_in_kafka_and_compared_with_a_producer_alone(kafka: KafkaBroker) -> None:
    sizes = actions.Sizes(clients=10, seconds=0.5, runs=1)
    result = await actions.run(BENCH._replace(kafka=kafka.address), sizes)
    assert_nothing_lost(result)
    ours, alone = (result.row(what).value for what in ("acknowledged actions/s", "aiokafka's producer alone"))
    assert result.row("ours / producer alone").value == ours / alone > 0
    assert result.row("actions in Kafka").value > ours * sizes.seconds


@pytest.mark.long
async def test_action_latency_ends_with_the_ack(kafka: KafkaBroker) -> None:
    sizes = action_latency.Sizes(clients=10, rate_hz=200, seconds=0.5)
    result = await action_latency.run(BENCH._replace(kafka=kafka.address), sizes)
    assert_nothing_lost(result)
    p50, p99, slowest = (result.row(what).value for what in ("action to ack, p50", "action to ack, p99", "slowest"))
    assert 0 < p50 <= p99 <= slowest


@pytest.mark.long
async def test_verdict_latency_ends_with_the_close_of_a_bot_s_connection(kafka: KafkaBroker) -> None:
    result = await verdict_latency.run(BENCH._replace(kafka=kafka.address), verdict_latency.Sizes(clients=5))
    p50, p99, slowest = (
        result.row(what).value
        for what in ("action to closed connection, p50", "action to closed connection, p99", "slowest")
    )
    assert 0 < p50 <= p99 <= slowest
