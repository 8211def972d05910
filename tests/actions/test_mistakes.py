"""What goes wrong at the start of reading is one clear error, in bounded time."""

import asyncio
import ssl
import subprocess
import sys
from typing import Any

import pytest
from aiokafka.errors import SaslAuthenticationFailed

from actions.players import Players, ids, players_of, take
from support.kafka_broker import PASSWORD, USER, KafkaBroker
from touchline import actions
from touchline.actions import Security, kafka
from touchline.errors import ClientClosed, LogUnavailable, OperatorError
from touchline_loadtest.free_ports import free_ports

WITHOUT_KAFKA = """
import sys
sys.modules["aiokafka"] = None
import touchline
from touchline.actions import Action, ActionSource, Security, action_of
try:
    touchline.actions.read("kafka://localhost:9092", group="g", security=Security(tls=True))
except touchline.errors.OperatorError as error:
    print(error)
"""


def test_without_aiokafka_the_error_names_the_extra_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_KAFKA], capture_output=True, text=True, check=True)
    assert "touchline[kafka]" in done.stdout


@pytest.mark.parametrize(
    "url",
    ["localhost:9092", "kafka://", "kafka://localhost", "kafka://h:0", "kafka://a:1/x", "kafka://u@h:1", "sqlite://"],
)
def test_an_invalid_address(url: str) -> None:
    with pytest.raises(OperatorError, match="kafka://host:port"):
        actions.read(url, group="g")


def test_an_option_that_callers_cannot_set() -> None:
    with pytest.raises(OperatorError, match="enable_auto_commit"):
        actions.read("kafka://localhost:1", group="g", kafka_options={"enable_auto_commit": True})


def test_an_invalid_start() -> None:
    with pytest.raises(OperatorError, match='"end" or "beginning"'):
        actions.read("kafka://localhost:1", group="g", start="now")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"no_such_option": 1}, "no_such_option"), ({"security_protocol": "SSL"}, "ssl_context")],
)
async def test_an_option_that_aiokafka_does_not_accept(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OperatorError, match=named):
        await actions.read("kafka://localhost:1", group="g", kafka_options=options).__aenter__()


async def test_a_topic_that_does_not_exist_is_not_created(kafka: KafkaBroker) -> None:
    players = Players(kafka)
    with pytest.raises(OperatorError, match=f"{players.topic}.*touchline topics --create"):
        await players.read().__aenter__()
    assert players.topic not in await kafka.topics()


async def test_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "CONNECT_TIMEOUT_S", 1.0)
    (port,) = free_ports(1)
    async with asyncio.timeout(60):
        with pytest.raises(LogUnavailable, match=f"127.0.0.1:{port} within 1 s.* security and kafka_options"):
            await actions.read(f"kafka://127.0.0.1:{port}", group="g").__aenter__()


async def test_reading_outside_of_the_async_with(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    reader = players.read()
    with pytest.raises(ClientClosed):
        await reader.batch()
    async with reader:
        pass
    with pytest.raises(ClientClosed):
        await reader.batch()


def security(kafka: KafkaBroker, password: str = PASSWORD, ca_file: str | None = None) -> Security:
    return Security(
        tls=True,
        ca_file=ca_file,
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=USER,
        sasl_password=password,
    )


async def test_kafka_with_tls_and_a_password(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1)
    reader = actions.read(
        f"kafka://{kafka.secure_address}",
        group=players.group,
        topic=players.topic,
        start="beginning",
        security=security(kafka, ca_file=str(kafka.ca_file)),
    )
    async with reader:
        assert ids(await take(reader, 1)) == [1]


async def test_kafka_with_options_of_aiokafka_for_what_security_does_not_cover(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    options = {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=kafka.ca_file),
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
    }
    url = f"kafka://{kafka.secure_address}"
    async with actions.read(url, group=players.group, topic=players.topic, kafka_options=options) as reader:
        await players.act("ann", 1)
        assert ids(await take(reader, 1)) == [1]


async def test_a_wrong_password(kafka: KafkaBroker) -> None:
    url = f"kafka://{kafka.secure_address}"
    with pytest.raises(OperatorError, match=kafka.secure_address) as refused:
        await actions.read(url, group="g", security=security(kafka, "wrong", str(kafka.ca_file))).__aenter__()
    assert isinstance(refused.value.__cause__, SaslAuthenticationFailed)


async def test_a_certificate_that_nobody_vouches_for(kafka: KafkaBroker) -> None:
    with pytest.raises(OperatorError, match="ca_file") as refused:
        await actions.read(f"kafka://{kafka.secure_address}", group="g", security=security(kafka)).__aenter__()
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
