"""Mutual TLS against a real broker that demands a certificate."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.certificates import EXPIRED, Authority, Issued
from support.kafka_broker import USER, KafkaBroker
from touchline_kafka.cluster import Cluster
from touchline_kafka.security import Security
from touchline_protocol.errors import LogUnavailable, OperatorError


def cluster(kafka: KafkaBroker, cert: Path | None, key: Path | None = None, password: str | None = None) -> Cluster:
    security = Security(
        tls=True,
        ca_file=str(kafka.ca_file),
        cert_file=None if cert is None else str(cert),
        key_file=None if key is None else str(key),
        key_password=password,
    )
    return Cluster([kafka.certificate_address], security, connect_timeout_s=30)


async def connects(place: Cluster) -> None:
    client = await place.connect()
    assert client.cluster.brokers()
    await client.release()


async def is_refused(place: Cluster) -> str:
    """The refusal, which comes at once: a broker that is only away would be waited for."""
    began = time.monotonic()
    with pytest.raises(OperatorError) as refused:
        await place.connect()
    assert not isinstance(refused.value, LogUnavailable)
    assert time.monotonic() - began < 20
    return str(refused.value)


async def test_certificate_and_key_may_be_two_files_or_one(kafka: KafkaBroker, tmp_path: Path) -> None:
    issued = kafka.clients_ca.issue(tmp_path / "plain", USER)
    await connects(cluster(kafka, issued.cert_file, issued.key_file))
    await connects(cluster(kafka, issued.bundle))


async def test_the_key_may_be_encrypted(kafka: KafkaBroker, tmp_path: Path) -> None:
    issued = kafka.clients_ca.issue(tmp_path / "hidden", USER, password="hush")
    await connects(cluster(kafka, issued.cert_file, issued.key_file, "hush"))
    for password in (None, "wrong"):
        with pytest.raises(OperatorError, match="key_password") as refused:
            cluster(kafka, issued.cert_file, issued.key_file, password)
        assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "issue",
    [
        lambda kafka, folder: None,
        lambda kafka, folder: Authority.at(folder / "other").issue(folder, USER),
        lambda kafka, folder: kafka.clients_ca.issue(folder, USER, validity=EXPIRED),
    ],
    ids=["none", "of another authority", "expired"],
)
async def test_a_certificate_that_the_broker_refuses_is_an_operators_error(
    kafka: KafkaBroker, tmp_path: Path, issue: Callable[[KafkaBroker, Path], Issued | None]
) -> None:
    issued = issue(kafka, tmp_path)
    place = cluster(kafka, None) if issued is None else cluster(kafka, issued.cert_file, issued.key_file)
    said = await is_refused(place)
    assert [name for name in ("cert_file", kafka.certificate_address) if name not in said] == []


async def test_new_connections_use_renewed_files(kafka: KafkaBroker, tmp_path: Path) -> None:
    used = kafka.clients_ca.issue(tmp_path / "used", USER)
    renewed = kafka.clients_ca.issue(tmp_path / "renewed", USER)
    foreign = Authority.at(tmp_path / "other").issue(tmp_path / "foreign", USER)
    place = cluster(kafka, used.cert_file, used.key_file)
    await connects(place)
    shutil.copy(foreign.cert_file, used.cert_file)
    await connects(place)  # the key is not there yet, so the files cannot be used: what was loaded before is
    shutil.copy(foreign.key_file, used.key_file)
    await is_refused(place)
    shutil.copy(renewed.cert_file, used.cert_file)
    shutil.copy(renewed.key_file, used.key_file)
    await connects(place)
