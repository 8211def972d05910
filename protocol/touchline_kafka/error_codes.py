"""Kafka's error codes, and what each means to a client of ours: the table that `errors` classifies by.

``name`` and ``retriable`` are those of Kafka's protocol guide; a test compares them with the broker's own classes.
``retriable`` is what Kafka's Java client does by itself, ``fault`` is what we make of it: an operator has to act on a
refusal, an outage passes, and the rest is a bug. ``scope`` is how far the answer reaches.

Pure: knows no Kafka client. Codes that are missing here count as an outage of the cluster, see `errors.classify`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Fault(Enum):
    """Whose turn it is after an error."""

    REFUSAL = "refusal"
    """An operator's. The same request gets the same answer until somebody has changed something."""
    OUTAGE = "outage"
    """Nobody's: it passes, or a broker is being repaired. Trying again is right."""
    BUG = "bug"
    """Ours: no request of ours should get this answer."""


class Scope(Enum):
    """How far an error reaches: what else is bound to fail with it."""

    RECORD = "record"
    """This record alone; the next one may succeed."""
    TOPIC = "topic"
    """This topic, or one partition of it."""
    GROUP = "group"
    """This consumer group."""
    CLUSTER = "cluster"
    """This broker or all of them, whatever is asked."""


class ErrorCode(NamedTuple):
    """One row of the table. ``meaning`` continues "Kafka refused it: …" for an operator."""

    code: int
    name: str
    retriable: bool
    fault: Fault
    scope: Scope
    meaning: str


OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
LEADER_NOT_AVAILABLE = 5
INVALID_TOPIC = 17
TOPIC_AUTHORIZATION_FAILED = 29
TOPIC_ALREADY_EXISTS = 36

MISSING_CODES = frozenset({UNKNOWN_TOPIC_OR_PARTITION, 100, 103})
"""There is no such topic or partition, or no topic has this id any more."""
MOVED_CODES = MISSING_CODES | {5, 6, 9, 56, 74, 75, 78}
"""The broker does not lead the partition, or cannot serve it now: ask who leads it, and try again there."""

_NO, _YES = False, True
_REFUSAL, _OUTAGE, _BUG = Fault.REFUSAL, Fault.OUTAGE, Fault.BUG
_RECORD, _TOPIC, _GROUP, _CLUSTER = Scope.RECORD, Scope.TOPIC, Scope.GROUP, Scope.CLUSTER

_ROWS = (
    ErrorCode(-1, "UNKNOWN_SERVER_ERROR", _NO, _OUTAGE, _CLUSTER, "the broker had an error that only its log explains"),
    ErrorCode(1, "OFFSET_OUT_OF_RANGE", _NO, _OUTAGE, _TOPIC, "the log does not hold this offset"),
    ErrorCode(2, "CORRUPT_MESSAGE", _YES, _OUTAGE, _TOPIC, "a record is damaged"),
    ErrorCode(3, "UNKNOWN_TOPIC_OR_PARTITION", _YES, _OUTAGE, _TOPIC, "the broker has no such topic or partition"),
    ErrorCode(5, "LEADER_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the partition has no leader now"),
    ErrorCode(6, "NOT_LEADER_OR_FOLLOWER", _YES, _OUTAGE, _TOPIC, "another broker leads the partition now"),
    ErrorCode(7, "REQUEST_TIMED_OUT", _YES, _OUTAGE, _CLUSTER, "no answer in time"),
    ErrorCode(8, "BROKER_NOT_AVAILABLE", _NO, _OUTAGE, _CLUSTER, "the broker is not available"),
    ErrorCode(9, "REPLICA_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the broker has no replica of the partition now"),
    ErrorCode(10, "MESSAGE_TOO_LARGE", _NO, _REFUSAL, _RECORD, "the record is larger than Kafka or this client allows"),
    ErrorCode(13, "NETWORK_EXCEPTION", _YES, _OUTAGE, _CLUSTER, "the connection between two brokers is lost"),
    ErrorCode(14, "COORDINATOR_LOAD_IN_PROGRESS", _YES, _OUTAGE, _GROUP, "the group's coordinator is starting"),
    ErrorCode(15, "COORDINATOR_NOT_AVAILABLE", _YES, _OUTAGE, _GROUP, "the group's coordinator is not available"),
    ErrorCode(16, "NOT_COORDINATOR", _YES, _OUTAGE, _GROUP, "another broker coordinates the group now"),
    ErrorCode(17, "INVALID_TOPIC_EXCEPTION", _NO, _REFUSAL, _TOPIC, "no topic can have this name"),
    ErrorCode(18, "RECORD_LIST_TOO_LARGE", _NO, _REFUSAL, _RECORD, "the batch is larger than segment.bytes allows"),
    ErrorCode(19, "NOT_ENOUGH_REPLICAS", _YES, _OUTAGE, _TOPIC, "fewer than min.insync.replicas are in sync"),
    ErrorCode(
        20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", _YES, _OUTAGE, _TOPIC, "fewer than min.insync.replicas are in sync"
    ),
    ErrorCode(21, "INVALID_REQUIRED_ACKS", _NO, _BUG, _CLUSTER, "acks has a value that the broker does not know"),
    ErrorCode(22, "ILLEGAL_GENERATION", _NO, _OUTAGE, _GROUP, "the group has gone on without this reader"),
    ErrorCode(23, "INCONSISTENT_GROUP_PROTOCOL", _NO, _REFUSAL, _GROUP, "the group's other members assign differently"),
    ErrorCode(24, "INVALID_GROUP_ID", _NO, _REFUSAL, _GROUP, "no consumer group can have this name"),
    ErrorCode(25, "UNKNOWN_MEMBER_ID", _NO, _OUTAGE, _GROUP, "the group has gone on without this reader"),
    ErrorCode(26, "INVALID_SESSION_TIMEOUT", _NO, _REFUSAL, _GROUP, "the broker does not allow this session timeout"),
    ErrorCode(27, "REBALANCE_IN_PROGRESS", _NO, _OUTAGE, _GROUP, "the group is rebalancing"),
    ErrorCode(29, "TOPIC_AUTHORIZATION_FAILED", _NO, _REFUSAL, _TOPIC, "this user may not use that topic"),
    ErrorCode(30, "GROUP_AUTHORIZATION_FAILED", _NO, _REFUSAL, _GROUP, "this user may not read in that consumer group"),
    ErrorCode(31, "CLUSTER_AUTHORIZATION_FAILED", _NO, _REFUSAL, _CLUSTER, "this user may not do that in this cluster"),
    ErrorCode(32, "INVALID_TIMESTAMP", _NO, _REFUSAL, _RECORD, "the topic does not allow a record of this time"),
    ErrorCode(
        33, "UNSUPPORTED_SASL_MECHANISM", _NO, _REFUSAL, _CLUSTER, "it does not offer the configured sasl_mechanism"
    ),
    ErrorCode(34, "ILLEGAL_SASL_STATE", _NO, _REFUSAL, _CLUSTER, "the listener does not expect SASL"),
    ErrorCode(
        35, "UNSUPPORTED_VERSION", _NO, _REFUSAL, _CLUSTER, "the broker is older than Kafka 3.1, the oldest supported"
    ),
    ErrorCode(36, "TOPIC_ALREADY_EXISTS", _NO, _REFUSAL, _TOPIC, "there is a topic of this name already"),
    ErrorCode(37, "INVALID_PARTITIONS", _NO, _REFUSAL, _TOPIC, "a topic cannot have this number of partitions"),
    ErrorCode(38, "INVALID_REPLICATION_FACTOR", _NO, _REFUSAL, _TOPIC, "there are fewer brokers than replicas"),
    ErrorCode(40, "INVALID_CONFIG", _NO, _REFUSAL, _TOPIC, "the topic's configuration is invalid"),
    ErrorCode(41, "NOT_CONTROLLER", _YES, _OUTAGE, _CLUSTER, "another broker is the controller now"),
    ErrorCode(42, "INVALID_REQUEST", _NO, _BUG, _CLUSTER, "the broker does not understand the request"),
    ErrorCode(44, "POLICY_VIOLATION", _NO, _REFUSAL, _TOPIC, "the cluster's policy forbids it"),
    ErrorCode(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", _NO, _OUTAGE, _TOPIC, "the broker has lost records of this producer"),
    ErrorCode(47, "INVALID_PRODUCER_EPOCH", _NO, _OUTAGE, _TOPIC, "the broker no longer knows this producer"),
    ErrorCode(56, "KAFKA_STORAGE_ERROR", _YES, _OUTAGE, _TOPIC, "the broker's disk has failed"),
    ErrorCode(58, "SASL_AUTHENTICATION_FAILED", _NO, _REFUSAL, _CLUSTER, "the user name or the password is wrong"),
    ErrorCode(59, "UNKNOWN_PRODUCER_ID", _NO, _OUTAGE, _TOPIC, "the broker no longer knows this producer"),
    ErrorCode(72, "LISTENER_NOT_FOUND", _YES, _OUTAGE, _TOPIC, "the partition's leader lacks this listener"),
    ErrorCode(74, "FENCED_LEADER_EPOCH", _YES, _OUTAGE, _TOPIC, "the partition has a newer leader"),
    ErrorCode(75, "UNKNOWN_LEADER_EPOCH", _YES, _OUTAGE, _TOPIC, "the broker has not heard of the newest leader yet"),
    ErrorCode(78, "OFFSET_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the new leader does not know the log's end yet"),
    ErrorCode(
        81, "GROUP_MAX_SIZE_REACHED", _NO, _REFUSAL, _GROUP, "the group has as many readers as the broker allows"
    ),
    ErrorCode(87, "INVALID_RECORD", _NO, _REFUSAL, _RECORD, "the broker's checks reject the record"),
    ErrorCode(89, "THROTTLING_QUOTA_EXCEEDED", _YES, _OUTAGE, _CLUSTER, "a quota of the cluster is used up"),
    ErrorCode(100, "UNKNOWN_TOPIC_ID", _YES, _OUTAGE, _TOPIC, "the topic was deleted"),
    ErrorCode(103, "INCONSISTENT_TOPIC_ID", _YES, _OUTAGE, _TOPIC, "the topic was deleted and created again"),
)

BY_CODE: Mapping[int, ErrorCode] = {row.code: row for row in _ROWS}
