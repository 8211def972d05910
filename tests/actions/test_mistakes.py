"""What goes wrong at the start of reading is said in one sentence, in bounded time."""

import asyncio
import ssl
import subprocess
import sys
from typing import Any

import pytest

from actions.players import Players, ids, players_of, take
from support.free_ports import free_ports
from support.kafka_broker import PASSWORD, USER, KafkaBroker
from touchline import actions
from touchline.actions import kafka_connect
from touchline.errors import ClientClosed, LogUnavailable, OperatorError

WITHOUT_KAFKA = """
import sys
sys.modules["aiokafka"] = None
import touchline
from touchline.actions import Action, ActionSource, action_of
try:
    touchline.actions.read("kafka://localhost:9092", group="g")
except touchline.errors.OperatorError as error:
    print(error)
"""


def test_without_aiokafka_it_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_KAFKA], capture_output=True, text=True, check=True)
    assert done.stdout == "to read from Kafka, aiokafka is missing: pip install 'touchline[kafka]'\n"


@pytest.mark.parametrize(
    "url",
    ["localhost:9092", "kafka://", "kafka://localhost", "kafka://h:0", "kafka://a:1/x", "kafka://u@h:1", "sqlite://"],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(OperatorError, match="write kafka://host:port"):
        actions.read(url, group="g")


def test_options_that_others_must_not_set() -> None:
    with pytest.raises(OperatorError, match="must not have enable_auto_commit"):
        actions.read("kafka://localhost:1", group="g", kafka_options={"enable_auto_commit": True})


def test_a_start_that_is_none() -> None:
    with pytest.raises(OperatorError, match='must be "end" or "beginning"'):
        actions.read("kafka://localhost:1", group="g", start="now")  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"no_such_option": 1}, {"security_protocol": "SSL"}])
async def test_options_that_aiokafka_does_not_take(options: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match="kafka_options are wrong"):
        await actions.read("kafka://localhost:1", group="g", kafka_options=options).__aenter__()


async def test_a_topic_that_does_not_exist_is_not_made(kafka: KafkaBroker) -> None:
    players = Players(kafka)
    with pytest.raises(OperatorError, match=f"no topic {players.topic}.*touchline topics --create"):
        await players.read().__aenter__()
    assert players.topic not in await kafka.topics()


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_connect, "CONNECT_TIMEOUT_S", 1.0)
    (port,) = free_ports(1)
    async with asyncio.timeout(10):
        with pytest.raises(LogUnavailable, match=f"answered at 127.0.0.1:{port} within 1 s.*in kafka_options"):
            await actions.read(f"kafka://127.0.0.1:{port}", group="g").__aenter__()


async def test_reading_outside_of_async_with(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    reader = players.read()
    with pytest.raises(ClientClosed):
        await reader.batch()
    async with reader:
        pass
    with pytest.raises(ClientClosed):
        await reader.batch()


def secure_options(kafka: KafkaBroker, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=kafka.ca_file),
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": USER,
        "sasl_plain_password": password,
    }


async def test_kafka_with_tls_and_a_password(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    await players.act("ann", 1)
    reader = actions.read(
        f"kafka://{kafka.secure_address}",
        group=players.group,
        topic=players.topic,
        start="beginning",
        kafka_options=secure_options(kafka),
    )
    async with reader:
        assert ids(await take(reader, 1)) == [1]


async def test_a_wrong_password(kafka: KafkaBroker) -> None:
    url = f"kafka://{kafka.secure_address}"
    with pytest.raises(OperatorError, match="the user name or the password is wrong"):
        await actions.read(url, group="g", kafka_options=secure_options(kafka, "wrong")).__aenter__()


async def test_a_certificate_of_nobody(kafka: KafkaBroker) -> None:
    options = {**secure_options(kafka), "ssl_context": ssl.create_default_context()}
    with pytest.raises(OperatorError, match="its certificate is not trusted"):
        await actions.read(f"kafka://{kafka.secure_address}", group="g", kafka_options=options).__aenter__()
