"""What topics there are: their ids, partition counts and leaders, without ever creating one by asking.

A topic that is deleted and created again under its old name gets another id, and no id is ever used twice. So the id
tells one log from the next.
"""

import base64
import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

from aiokafka.errors import KafkaConnectionError

from touchline_protocol.errors import OperatorError

from .error_codes import INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION
from .errors import error_of
from .repairs import Client
from .wire import MetadataRequest

NO_LEADER = -1


class NoSuchTopic(OperatorError):
    """There is no topic of this name, or this user may not know of it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Kafka has no topic {name}, or hides it from this user: `touchline topics --create` creates it"
        )


class Topic(NamedTuple):
    """A topic as a broker knows it. ``leaders`` has the node of every partition, `NO_LEADER` where there is none now.

    ``leader_epochs`` has the number of each partition's leadership, which rises with every new leader. ``error`` is a
    Kafka error code: 0, or why nothing else is known of the topic.
    """

    name: str
    topic_id: bytes
    leaders: Mapping[int, int]
    error: int = 0
    leader_epochs: Mapping[int, int] = {}

    @property
    def epoch(self) -> str:
        """The id as text, in the form in which Kafka's own tools print it."""
        return base64.urlsafe_b64encode(self.topic_id).rstrip(b"=").decode()

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
    """Asks for topics, and remembers the newest answer for each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._node: int | None = None
        self._known: dict[str, tuple[float, Topic]] = {}

    async def describe(self, names: Collection[str]) -> dict[str, Topic]:
        """Ask a broker for topics.

        It is the same broker every time until it fails: what one broker says never goes back in time, but another one
        may lag behind it, and a topic would seem to change back and forth.

        Raises:
            KafkaError, OSError, TimeoutError: there is no answer.
        """
        if self._node is None:
            self._node = self._client.get_random_node()
        if self._node is None:
            raise KafkaConnectionError("the cluster named none of its brokers")
        try:
            response = await self._client.send(self._node, MetadataRequest(names))
        except BaseException:
            self._node = None
            raise
        found = {
            name: Topic(
                name,
                topic_id,
                {partition[1]: partition[2] for partition in partitions},
                error,
                {partition[1]: partition[3] for partition in partitions},
            )
            for error, name, topic_id, _, partitions, _, _ in response.topics
        }
        now = time.monotonic()
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
