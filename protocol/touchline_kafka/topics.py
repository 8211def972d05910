"""What topics there are: their ids, partition counts and leaders, without ever creating one by asking.

A topic that is deleted and created again under its old name gets another id, and no id is ever used twice. So the id
tells one log from the next.
"""

import asyncio
import base64
import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from aiokafka.errors import KafkaConnectionError

from touchline_protocol.errors import OperatorError

from .client import Client
from .error_codes import INVALID_TOPIC, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION
from .errors import describe, error_of
from .metadata.cluster_view import ClusterView, Leader, TopicAnswer
from .metadata.operations import ALL_OPERATIONS, Operation
from .retry import retrieve
from .wire import MetadataRequest

NO_LEADER = -1

BROKERS_ASKED_MAX = 3
"""How many brokers are asked at once. Small clusters are asked as a whole, larger ones in turns."""
OTHERS_WAIT_S = 0.1
"""How long the others may take after the first answer. Healthy brokers need a few milliseconds."""
FAILED_WAIT_S = 10.0
"""How long a broker that failed to answer is left out. aiokafka opens one connection at a time, and one that cannot be
opened takes seconds."""


HIDDEN = "Kafka does not let this user describe the topic, so whether it exists is not known"
UNREADABLE = "Kafka does not let this user read the topic"
"""Problems that last until an operator has granted the permission."""
OBSTACLES = {
    UNKNOWN_TOPIC_OR_PARTITION: "there is no such topic; it is read as soon as it is created",
    INVALID_TOPIC: "no topic can have this name",
    TOPIC_AUTHORIZATION_FAILED: HIDDEN,
}
"""What keeps a topic from being read, by the error code in its description."""


class NoSuchTopic(OperatorError):
    """There is no topic of this name, or this user may not know of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Kafka has no topic {name}, or hides it from this user: create it; `touchline topics --create --log URL` "
            "creates those of a server"
        )


class Topic(NamedTuple):
    """A topic as the brokers know it. ``leaders`` has the node of every partition, `NO_LEADER` where there is none now.

    ``leader_epochs`` has the number of each partition's leadership, which rises with every new leader. ``error`` is a
    Kafka error code: 0, or why nothing else is known of the topic.
    """

    name: str
    topic_id: bytes
    leaders: Mapping[int, int]
    error: int = 0
    leader_epochs: Mapping[int, int] = {}
    operations: int = ALL_OPERATIONS

    @property
    def epoch(self) -> str:
        """The id as text, in the form in which Kafka's own tools print it."""
        return base64.urlsafe_b64encode(self.topic_id).rstrip(b"=").decode()

    @property
    def may_read(self) -> bool:
        """Whether this user may read the topic's records. One that may do so may describe it as well."""
        return not self.error and Operation.READ.is_in(self.operations)

    @property
    def unreadable(self) -> str | None:
        """What keeps this user from reading the topic, for an operator; None if nothing does."""
        if self.error:
            return OBSTACLES.get(self.error) or describe(error_of(self.error))
        return None if self.may_read else UNREADABLE

    @property
    def may_write(self) -> bool:
        """Whether this user may append records to the topic."""
        return not self.error and Operation.WRITE.is_in(self.operations)

    @property
    def is_led(self) -> bool:
        """Whether every partition has a leader, as far as the broker knows."""
        return not self.error and bool(self.leaders) and NO_LEADER not in self.leaders.values()

    def usable(self) -> "Topic":
        """The topic itself, if records can be read from it and appended to it.

        Raises:
            NoSuchTopic: it does not exist.
            KafkaError: this user may not use it, or it is not ready.
        """
        if self.error in (UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC):
            raise NoSuchTopic(self.name)
        if self.error:
            raise error_of(self.error)
        if not self.leaders:
            raise KafkaConnectionError(f"the topic {self.name} is not ready")
        return self


class Topics:
    """Asks for topics, and remembers the newest answer for each.

    One broker may be behind the others, or cut off from them, for as long as a client can reach it. So several are
    asked, other ones each time, and `ClusterView` decides what to believe.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._view = ClusterView()
        self._turn = 0
        self._left_out: dict[int, float] = {}
        """Brokers that owe an answer or failed to give one, and until when (of `time.monotonic`) others go first."""
        self._known: dict[str, tuple[float, Topic]] = {}

    async def describe(self, names: Collection[str]) -> dict[str, Topic]:
        """Ask brokers for topics: `BROKERS_ASKED_MAX` of them, of which one has to answer.

        Raises:
            KafkaError, OSError, TimeoutError: there is no answer.
        """
        brokers = sorted(broker.nodeId for broker in self._client.cluster.brokers())
        if not brokers:
            raise KafkaConnectionError("the cluster named none of its brokers")
        self._view.keep(brokers)
        await self._first_of([self._ask(node, names) for node in self._next(brokers)])
        now = time.monotonic()
        found = {name: _topic(name, self._view.topic(name, len(brokers))) for name in names}
        self._known.update({name: (now, topic) for name, topic in found.items()})
        return found

    async def topic(self, name: str, *, age_s_max: float) -> Topic:
        """One topic, as it was at most ``age_s_max`` seconds ago.

        Raises:
            KafkaError, OSError, TimeoutError: there is no answer.
        """
        at, topic = self._known.get(name, (0.0, None))
        if topic is None or topic.error or time.monotonic() - at > age_s_max:
            topic = (await self.describe([name]))[name]
        return topic

    def forget(self, name: str) -> None:
        """A broker contradicted what is known of a topic: ask again next time."""
        self._known.pop(name, None)

    def described(self, name: str) -> tuple[float, Mapping[int, int]]:
        """When a topic was described last (`time.monotonic`), and its leaders then; nothing if it never was."""
        at, topic = self._known.get(name, (0.0, None))
        return at, topic.leaders if topic is not None else {}

    def _next(self, brokers: Sequence[int]) -> Sequence[int]:
        """The brokers whose turn it is."""
        now = time.monotonic()
        able = [node for node in brokers if self._left_out.get(node, 0.0) <= now] or brokers
        turns = [able[(self._turn + number) % len(able)] for number in range(min(len(able), BROKERS_ASKED_MAX))]
        self._turn += len(turns)
        return turns

    def _ask(self, node: int, names: Collection[str]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._take_answer(node, names), name=f"kafka-metadata-{node}")
        task.add_done_callback(retrieve)
        return task

    async def _take_answer(self, node: int, names: Collection[str]) -> None:
        self._left_out[node] = math.inf
        try:
            response = await self._client.send(node, MetadataRequest(names))
        except BaseException:
            self._left_out[node] = time.monotonic() + FAILED_WAIT_S
            raise
        self._left_out.pop(node, None)
        answers = {
            name: TopicAnswer(topic_id, {one[1]: Leader(one[2], one[3]) for one in partitions}, error, operations)
            for error, name, topic_id, _, partitions, operations, _ in response.topics
        }
        self._view.take(node, answers, time.monotonic())

    async def _first_of(self, requests: Collection[asyncio.Task[None]]) -> None:
        """Wait for the first answer, and a little for the others, which are taken in whenever they come."""
        pending = set(requests)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(request.exception() is None for request in done):
                if pending:
                    await asyncio.wait(pending, timeout=OTHERS_WAIT_S)
                return
        for request in requests:
            request.result()


def _topic(name: str, believed: TopicAnswer) -> Topic:
    leaders, epochs = ({index: leader[part] for index, leader in believed.leaders.items()} for part in (0, 1))
    return Topic(name, believed.topic_id, leaders, believed.error, epochs, believed.operations)
