"""The archive of Kafka's classes, without which each broker takes twice as long to start."""

from pathlib import Path

import pytest

from support.kafka_broker import KafkaBroker
from touchline_loadtest.rig.kafka.java import ARCHIVE, JARS, check_archive


def test_brokers_have_an_archive_that_java_can_use(kafka: KafkaBroker) -> None:
    assert kafka.running
    newest = max(JARS.glob(f"prepared-*/{ARCHIVE}"), key=lambda archive: archive.stat().st_mtime)
    check_archive(newest)


def test_a_part_of_an_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / ARCHIVE
    archive.write_bytes(bytes(100_000))
    with pytest.raises(RuntimeError, match="java"):
        check_archive(archive)
