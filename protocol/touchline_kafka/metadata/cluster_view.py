"""One view of the topics, from the answers of several brokers, of which some may be behind or cut off from the others.

Pure: it is given answers, and asks nobody.

Rules:

1. The answers of a single broker never go back in time. So a broker that named a topic's id and now names another one,
   or none, proves that the id is over. Only the broker that said so can bring it back: then it had just started.
2. A topic keeps its id until there is such a proof, until most brokers name another one, or until no broker names it
   and most of them say so: a broker that is behind neither removes a topic nor brings an old one back.
3. Of a partition, the leader with the highest leader epoch counts, whichever broker names it, and that epoch never goes
   back. A broker that is behind does not hide a partition either.
4. Except if the cluster was restored from an older copy: if for a while most brokers, the leader that they name among
   them, have been behind, and no broker is not, they are believed (see `set_back`).
"""

from collections import Counter
from collections.abc import Collection, Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from touchline_kafka.error_codes import UNKNOWN_TOPIC_OR_PARTITION

from .operations import ALL_OPERATIONS
from .set_back import Lags


class Leader(NamedTuple):
    """The broker that leads a partition, or -1 if none does, and the leader epoch in which that is so."""

    node: int
    epoch: int


class TopicAnswer(NamedTuple):
    """What a broker answered for a topic. ``error`` is a Kafka error code: 0, or why nothing else is known.

    ``operations`` has a bit for each of Kafka's operations that this user may do with the topic (KIP-430).
    """

    topic_id: bytes
    leaders: Mapping[int, Leader]
    error: int = 0
    operations: int = ALL_OPERATIONS


class ClusterView:
    """What is believed of the topics that brokers were asked for, by name."""

    def __init__(self) -> None:
        self._answers: dict[int, dict[str, TopicAnswer]] = {}
        """The last answer of each broker for each topic."""
        self._ids: dict[str, bytes] = {}
        """The id that each topic is believed to have."""
        self._leaders: dict[bytes, dict[int, Leader]] = {}
        """The newest leaders, by topic id and partition."""
        self._over: dict[bytes, int | None] = {}
        """Ids of topics that do not exist any more, and the broker that proved it; None: most brokers did."""
        self._lags = Lags()

    def keep(self, nodes: Collection[int]) -> None:
        """Forget brokers that do not belong to the cluster any more: only the answers of ``nodes`` count."""
        for node in self._answers.keys() - set(nodes):
            del self._answers[node]

    def take(self, node: int, answers: Mapping[str, TopicAnswer], now_s: float) -> None:
        """Take in what a broker answered at ``now_s``, of any clock that does not go back."""
        said = self._answers.setdefault(node, {})
        for name, answer in answers.items():
            before = said.get(name)
            if before and not before.error and _contradicts(answer, before.topic_id):
                self._end(before.topic_id, node)
            if before and _contradicts(before, answer.topic_id) and self._over.get(answer.topic_id, -1) in (node, None):
                self._over.pop(answer.topic_id)
            said[name] = answer
            if not answer.error and answer.topic_id not in self._over:
                self._merge(node, answer, now_s)

    def topic(self, name: str, brokers: int) -> TopicAnswer:
        """What is believed of a topic, out of a cluster of so many ``brokers``. Its leaders are a copy."""
        answers = [said[name] for said in self._answers.values() if name in said]
        named = Counter(each.topic_id for each in answers if not each.error and each.topic_id not in self._over)
        current = self._ids.get(name)
        if current and not named[current] and sum(_contradicts(each, current) for each in answers) * 2 > brokers:
            self._end(current, None)
        refused = next((each for each in answers if each.error and each.error != UNKNOWN_TOPIC_OR_PARTITION), None)
        if named:
            current = max(named, key=lambda topic_id: (named[topic_id], topic_id == current))
        elif refused is not None:
            return refused
        if current is None or current in self._over:
            self._ids.pop(name, None)
            return TopicAnswer(b"", {}, UNKNOWN_TOPIC_OR_PARTITION)
        self._ids[name] = current
        self._follow_back(name, current, brokers)
        # A permission that was just granted or revoked reaches one broker after the other.
        operations = [each.operations for each in answers if each.topic_id == current and not each.error]
        return TopicAnswer(current, dict(self._leaders[current]), 0, reduce(or_, operations, 0))

    def _merge(self, node: int, answer: TopicAnswer, now_s: float) -> None:
        known = self._leaders.setdefault(answer.topic_id, {})
        for partition, leader in answer.leaders.items():
            before = known.get(partition)
            if before is None or leader.epoch > before.epoch:
                self._lags.forget((answer.topic_id, partition))
            known[partition] = leader if before is None else _newer(before, leader)
        for partition, newest in known.items():
            named = answer.leaders.get(partition)
            is_behind = named is None or named.epoch < newest.epoch
            self._lags.answered((answer.topic_id, partition), node, is_behind, now_s)

    def _follow_back(self, name: str, topic_id: bytes, brokers: int) -> None:
        """Believe older leader epochs of a topic if the cluster was set back."""
        said = [answers[name] for answers in self._answers.values() if name in answers]
        current = [answer.leaders for answer in said if not answer.error and answer.topic_id == topic_id]
        known = self._leaders[topic_id]
        for partition, newest in list(known.items()):
            behind = self._answers.keys() & self._lags.long_behind((topic_id, partition))
            named = [leaders[partition] for leaders in current if partition in leaders]
            if len(behind) * 2 <= brokers:
                continue
            if not named:
                del known[partition]
                self._lags.forget((topic_id, partition))
            elif (leader := reduce(_newer, named)).epoch < newest.epoch and leader.node in behind:
                known[partition] = leader
                self._lags.forget((topic_id, partition))

    def _end(self, topic_id: bytes, node: int | None) -> None:
        self._over[topic_id] = node
        for partition in self._leaders.pop(topic_id, {}):
            self._lags.forget((topic_id, partition))


def _contradicts(answer: TopicAnswer, topic_id: bytes) -> bool:
    """Whether a broker says that there is no topic of this id. One that hides topics from a user does not."""
    return answer.error == UNKNOWN_TOPIC_OR_PARTITION or (not answer.error and answer.topic_id != topic_id)


def _newer(one: Leader, other: Leader) -> Leader:
    # In one epoch there is one leader; a broker that does not see it alive names none.
    return other if other.epoch > one.epoch or (other.epoch == one.epoch and other.node >= 0) else one
