"""What all tests share: Kafka brokers, ports, the order of tests, their thoroughness, the signals of the programs that
they start, and the rules that CI skips nothing and tries twice."""

from touchline_server.server_log import setup
from touchline_server.server_log.setup import use_standard_logging

pytest_plugins = [
    "support.no_skips",
    "support.inherited_signals",
    "support.short_ids",
    "support.own_ports",
    "support.order",
    "support.second_try",
    "support.thoroughness",
    "support.kafka_broker",
    "support.kafka_split",
    "support.redis_server",
    "support.distribution",
    "support.collector",
]


def pytest_configure() -> None:
    """Let `caplog` see what the server logs."""
    setup.CACHE_LOGGERS = False
    use_standard_logging()
