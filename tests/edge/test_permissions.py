"""An edge whose Kafka user may not do everything, and whose permissions change while it runs."""

import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from edge.players import AUTH, acks, act, answers, loose_limits, player
from support.kafka_broker import LIMITED_USER, PASSWORD, KafkaBroker
from support.node_fixture import Client, RunningNode, running_node
from support.waiting import eventually
from touchline_kafka.metadata.operations import Operation
from touchline_kafka.topics import HIDDEN, UNREADABLE
from touchline_protocol.errors import TopicRefused
from touchline_protocol.messages import Error, Event, RoomRequest, Subscribe
from touchline_server.config.tables import FeedSettings, KafkaSettings, VerdictsSettings
from touchline_server.core.log import Entry
from touchline_server.log.kafka.log import KafkaLog
from touchline_server.new_events import new_event

pytestmark = pytest.mark.outside

CHECK_S = 0.1


class Setting:
    """The topics of one test. `LIMITED_USER` may read the open feed, and nothing else."""

    def __init__(self, kafka: KafkaBroker, name: str) -> None:
        self.kafka = kafka
        self.open, self.secret = f"open-{name}", f"secret-{name}"
        self.actions, self.verdicts = f"actions-{name}", f"verdicts-{name}"

    async def create(self) -> None:
        for topic in (self.open, self.secret, self.actions):
            await self.kafka.create(topic)
        await self.kafka.create(self.verdicts, 1, {"cleanup.policy": "compact"})
        await self.kafka.allow(self.open, Operation.READ)

    @contextlib.asynccontextmanager
    async def node(self, **settings: Any) -> AsyncIterator[RunningNode]:
        kafka = {
            "tls": True,
            "ca_file": str(self.kafka.ca_file),
            "sasl_mechanism": "PLAIN",
            "sasl_username": LIMITED_USER,
            "sasl_password": PASSWORD,
            "epoch_check_s": CHECK_S,
        }
        defaults: dict[str, Any] = {
            "feeds": {"open": FeedSettings(topic=self.open), "secret": FeedSettings(topic=self.secret)},
            "actions": loose_limits(topic=self.actions),
            "verdicts": VerdictsSettings(topic=self.verdicts),
            "kafka": TypeAdapter(KafkaSettings).validate_python(kafka),
        }
        async with running_node(url=f"kafka://{self.kafka.secure_address}", **(defaults | settings)) as node:
            yield node

    async def publish(self, topic: str, value: bytes) -> None:
        """Publish as a user that may do everything."""
        log = KafkaLog([self.kafka.address], KafkaSettings())
        await log.open([], since_ms=0)
        await log.append(topic, [Entry(b"1", value)])
        await log.close()


@pytest.fixture
async def setting(kafka: KafkaBroker) -> Setting:
    made = Setting(kafka, uuid.uuid4().hex[:12])
    await made.create()
    return made


async def refusal(client: Client, room: str) -> str:
    """The code with which a join is refused."""
    await client.send(Subscribe(rooms=[RoomRequest(room=room)]))
    return (await client.expect(Error)).code


@pytest.mark.parametrize(("operations", "problem"), [((), HIDDEN), ((Operation.DESCRIBE,), UNREADABLE)])
async def test_rooms_that_may_not_be_read_are_refused_until_they_may_be(
    setting: Setting, operations: tuple[Operation, ...], problem: str
) -> None:
    await setting.kafka.allow(setting.verdicts, Operation.READ)
    await setting.kafka.allow(setting.secret, *operations)
    await setting.publish(setting.secret, b'{"n": 1}')
    async with setting.node() as node, node.client() as client:
        assert node.node.log.problems[setting.secret] == problem
        assert await refusal(client, "secret:1") == "unavailable"
        await client.join("open:1")
        await setting.kafka.allow(setting.secret, Operation.READ)
        await eventually(lambda: setting.secret not in node.node.problems())
        assert (await client.join("secret:1")).head == 0

        await setting.kafka.forbid(setting.secret, Operation.READ)
        await eventually(lambda: any(setting.secret in subject for subject in node.node.log.problems))
        await client.join("open:2")  # the other feed does not suffer
        await setting.publish(setting.secret, b'{"n": 2}')
        await setting.kafka.allow(setting.secret, Operation.READ)
        assert (await client.expect(Event)).offset == 1
        await eventually(lambda: not node.node.log.problems)


async def test_a_server_that_may_not_write_says_so_once_and_takes_actions_as_soon_as_it_may(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    await setting.kafka.allow(setting.secret, Operation.READ)
    await setting.kafka.allow(setting.verdicts, Operation.READ)
    caplog.set_level(logging.WARNING, "touchline.actions")
    async with setting.node(auth=AUTH) as node, player(node) as (client, _):
        with pytest.raises(TopicRefused):
            await node.node.publish("open:1", [new_event(b'{"n": 1}', None)])
        assert setting.actions in node.node.problems()
        await act(client, 1, room="open:1")
        assert await answers(client, 1) == [(1, "log_unavailable")]
        await setting.kafka.allow(setting.actions, Operation.WRITE)
        await eventually(lambda: setting.actions not in node.node.problems())
        await act(client, 1, 2, room="open:1")
        assert await answers(client, 2) == acks([1, 2])
    lines = [record for record in caplog.records if record.name == "touchline.actions"]
    assert len(lines) == 2


async def test_while_verdicts_may_not_be_read_everybody_may_watch_and_nobody_may_act(setting: Setting) -> None:
    await setting.kafka.allow(setting.actions, Operation.WRITE)
    async with setting.node(auth=AUTH) as node, player(node) as (client, _):
        await client.join("open:1")
        await act(client, 1, room="open:1")
        assert await answers(client, 1) == [(1, "log_unavailable")]
        assert node.node.problems()[setting.verdicts] == HIDDEN
        await setting.kafka.allow(setting.verdicts, Operation.READ)
        await eventually(lambda: not node.node.core.access.verdicts.unread)
        await act(client, 1, room="open:1")
        assert await answers(client, 1) == acks([1])
