"""Connecting to a cluster: in bounded time, with one clear error."""

import asyncio
import logging
import ssl
import time
from pathlib import Path

import pytest
from aiokafka.errors import UnsupportedSaslMechanismError

from support.kafka_broker import PASSWORD, USER, KafkaBroker
from touchline_kafka.access.login import LoginRefused
from touchline_kafka.cluster import Cluster
from touchline_kafka.retry import SLOW_S
from touchline_kafka.security import Security
from touchline_loadtest.free_ports import free_ports
from touchline_protocol.errors import LogUnavailable, OperatorError


def security(kafka: KafkaBroker, **changes: str | None) -> Security:
    given = {
        "ca_file": str(kafka.ca_file),
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
    }
    return Security(tls=True, **given | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"sasl_password": "wrong"}, LoginRefused),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, UnsupportedSaslMechanismError),
        ({"ca_file": None}, ssl.SSLCertVerificationError),
    ],
)
async def test_a_refusal_is_raised_at_once(
    kafka: KafkaBroker, changes: dict[str, str | None], cause: type[Exception]
) -> None:
    cluster = Cluster([kafka.secure_address], security(kafka, **changes), connect_timeout_s=60)
    began = time.monotonic()
    for start in (cluster.connect, cluster.consumer):
        with pytest.raises(OperatorError, match=kafka.secure_address) as refused:
            await start()
        assert type(refused.value) is OperatorError
        assert isinstance(refused.value.__cause__, cause)
    assert time.monotonic() - began < 30


async def test_one_address_of_several_is_enough(kafka: KafkaBroker) -> None:
    (port,) = free_ports(1)
    client = await Cluster([f"127.0.0.1:{port}", kafka.address]).connect()
    assert client.cluster.brokers()
    await client.release()


async def test_nothing_answers(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    cluster = Cluster([f"127.0.0.1:{port}"], connect_timeout_s=0.3, hint="that option")
    with pytest.raises(LogUnavailable, match=f"127.0.0.1:{port} within 0.3 s.* that option"):
        await cluster.connect()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_connection_that_takes_long_is_reported_once_before_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    with pytest.raises(LogUnavailable):
        await Cluster([f"127.0.0.1:{port}"], connect_timeout_s=SLOW_S + 0.3).connect()
    reports = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.name, f"127.0.0.1:{port}" in record.getMessage()) for record in reports] == [
        ("touchline.kafka", True)
    ]


async def test_a_broker_that_is_starting_is_waited_for(kafka_to_restart: KafkaBroker) -> None:
    broker = kafka_to_restart
    await asyncio.to_thread(broker.stop)
    connecting = asyncio.ensure_future(Cluster([broker.address], connect_timeout_s=60).connect())
    await asyncio.sleep(0)
    broker.launch()
    client = await connecting
    assert client.cluster.brokers()
    await client.release()


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    with pytest.raises(OperatorError, match=r"absent\.pem"):
        Cluster(["127.0.0.1:1"], Security(tls=True, ca_file=str(absent)))
    absent.write_text("not a certificate")
    with pytest.raises(OperatorError, match=r"absent\.pem"):
        Cluster(["127.0.0.1:1"], Security(tls=True, ca_file=str(absent)))
