"""Kafka's error codes, and what each means to a client of ours: the one table that `errors` classifies by.

``name`` and ``retriable`` are those of Kafka's protocol guide; a test compares them with the broker's own classes,
all of which are here. ``retriable`` is what Kafka's Java client does by itself, ``fault`` is what we make of it: an
operator has to act on a refusal, an outage passes, and the rest is a bug. ``scope`` is how far the answer reaches.
Together they decide the `remedy`: publishing, acting, reading, the SDK's reader and cheatwatch all go by it.

Pure: knows no Kafka client. A code of a newer broker that is missing here counts as an outage of the cluster.
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


class Remedy(Enum):
    """What a client does about an error."""

    RETRY = "retry"
    """Send the same again, with backoff: it may succeed without anybody's help."""
    REFUSE_RECORD = "refuse_record"
    """Give this record up, and report it to its sender. All others go on."""
    REFUSE_TOPIC = "refuse_topic"
    """Do without this topic until an operator acts: report it, and try again rarely. All other topics go on."""
    FATAL = "fatal"
    """Give up what was begun, and report it: no client with this configuration gets another answer."""


def remedy(fault: Fault, scope: Scope) -> Remedy:
    """The one place where it is decided what a client does about an error."""
    if fault is Fault.OUTAGE:
        return Remedy.RETRY
    if fault is Fault.REFUSAL and scope is Scope.RECORD:
        return Remedy.REFUSE_RECORD
    if fault is Fault.REFUSAL and scope is Scope.TOPIC:
        return Remedy.REFUSE_TOPIC
    return Remedy.FATAL


class ErrorCode(NamedTuple):
    """One row of the table. ``meaning`` continues "Kafka refused it: …" for an operator."""

    code: int
    name: str
    retriable: bool
    fault: Fault
    scope: Scope
    meaning: str

    @property
    def remedy(self) -> Remedy:
        """What a client does about it."""
        return remedy(self.fault, self.scope)


OFFSET_OUT_OF_RANGE = 1
CORRUPT_MESSAGE = 2
UNKNOWN_TOPIC_OR_PARTITION = 3
LEADER_NOT_AVAILABLE = 5
MESSAGE_TOO_LARGE = 10
INVALID_TOPIC = 17
RECORD_LIST_TOO_LARGE = 18
NOT_ENOUGH_REPLICAS = 19
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
    ErrorCode(4, "INVALID_FETCH_SIZE", _NO, _BUG, _CLUSTER, "the size of a fetch is invalid"),
    ErrorCode(5, "LEADER_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the partition has no leader now"),
    ErrorCode(6, "NOT_LEADER_OR_FOLLOWER", _YES, _OUTAGE, _TOPIC, "another broker leads the partition now"),
    ErrorCode(7, "REQUEST_TIMED_OUT", _YES, _OUTAGE, _CLUSTER, "no answer in time"),
    ErrorCode(8, "BROKER_NOT_AVAILABLE", _NO, _OUTAGE, _CLUSTER, "the broker is not available"),
    ErrorCode(9, "REPLICA_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the broker has no replica of the partition now"),
    ErrorCode(
        10,
        "MESSAGE_TOO_LARGE",
        _NO,
        _REFUSAL,
        _RECORD,
        "the record is larger than the max.message.bytes of its topic allows",
    ),
    ErrorCode(11, "STALE_CONTROLLER_EPOCH", _NO, _OUTAGE, _CLUSTER, "another broker is the controller now"),
    ErrorCode(12, "OFFSET_METADATA_TOO_LARGE", _NO, _BUG, _CLUSTER, "the metadata of a committed offset is too long"),
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
    ErrorCode(28, "INVALID_COMMIT_OFFSET_SIZE", _NO, _BUG, _CLUSTER, "a committed offset has an invalid size"),
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
    ErrorCode(39, "INVALID_REPLICA_ASSIGNMENT", _NO, _REFUSAL, _TOPIC, "the assignment of replicas is invalid"),
    ErrorCode(40, "INVALID_CONFIG", _NO, _REFUSAL, _TOPIC, "the topic's configuration is invalid"),
    ErrorCode(41, "NOT_CONTROLLER", _YES, _OUTAGE, _CLUSTER, "another broker is the controller now"),
    ErrorCode(42, "INVALID_REQUEST", _NO, _BUG, _CLUSTER, "the broker does not understand the request"),
    ErrorCode(
        43,
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        _NO,
        _REFUSAL,
        _TOPIC,
        "the topic's message format is too old for this request",
    ),
    ErrorCode(44, "POLICY_VIOLATION", _NO, _REFUSAL, _TOPIC, "the cluster's policy forbids it"),
    ErrorCode(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", _NO, _OUTAGE, _TOPIC, "the broker has lost records of this producer"),
    ErrorCode(46, "DUPLICATE_SEQUENCE_NUMBER", _NO, _OUTAGE, _TOPIC, "the broker has these records already"),
    ErrorCode(47, "INVALID_PRODUCER_EPOCH", _NO, _OUTAGE, _TOPIC, "the broker no longer knows this producer"),
    ErrorCode(48, "INVALID_TXN_STATE", _NO, _BUG, _CLUSTER, "a transaction is not in a state for this"),
    ErrorCode(
        49, "INVALID_PRODUCER_ID_MAPPING", _NO, _BUG, _CLUSTER, "the producer id belongs to another transactional id"
    ),
    ErrorCode(
        50, "INVALID_TRANSACTION_TIMEOUT", _NO, _BUG, _CLUSTER, "the broker does not allow this transaction timeout"
    ),
    ErrorCode(
        51, "CONCURRENT_TRANSACTIONS", _YES, _OUTAGE, _CLUSTER, "another request of the same transaction is in progress"
    ),
    ErrorCode(
        52, "TRANSACTION_COORDINATOR_FENCED", _NO, _OUTAGE, _CLUSTER, "another broker coordinates the transaction now"
    ),
    ErrorCode(
        53,
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        _NO,
        _REFUSAL,
        _CLUSTER,
        "this user may not use that transactional id",
    ),
    ErrorCode(54, "SECURITY_DISABLED", _NO, _REFUSAL, _CLUSTER, "the cluster has no authorizer"),
    ErrorCode(
        55, "OPERATION_NOT_ATTEMPTED", _NO, _OUTAGE, _CLUSTER, "the broker did not get to this part of the request"
    ),
    ErrorCode(56, "KAFKA_STORAGE_ERROR", _YES, _OUTAGE, _TOPIC, "the broker's disk has failed"),
    ErrorCode(57, "LOG_DIR_NOT_FOUND", _NO, _REFUSAL, _CLUSTER, "the broker has no such log folder"),
    ErrorCode(58, "SASL_AUTHENTICATION_FAILED", _NO, _REFUSAL, _CLUSTER, "the broker does not accept the login"),
    ErrorCode(59, "UNKNOWN_PRODUCER_ID", _NO, _OUTAGE, _TOPIC, "the broker no longer knows this producer"),
    ErrorCode(60, "REASSIGNMENT_IN_PROGRESS", _NO, _OUTAGE, _TOPIC, "the partition is being reassigned"),
    ErrorCode(61, "DELEGATION_TOKEN_AUTH_DISABLED", _NO, _REFUSAL, _CLUSTER, "the cluster has no delegation tokens"),
    ErrorCode(
        62, "DELEGATION_TOKEN_NOT_FOUND", _NO, _REFUSAL, _CLUSTER, "the broker does not know the delegation token"
    ),
    ErrorCode(
        63, "DELEGATION_TOKEN_OWNER_MISMATCH", _NO, _REFUSAL, _CLUSTER, "the delegation token belongs to another user"
    ),
    ErrorCode(
        64,
        "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
        _NO,
        _REFUSAL,
        _CLUSTER,
        "delegation tokens are not allowed on this listener",
    ),
    ErrorCode(
        65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", _NO, _REFUSAL, _CLUSTER, "this user may not use delegation tokens"
    ),
    ErrorCode(66, "DELEGATION_TOKEN_EXPIRED", _NO, _REFUSAL, _CLUSTER, "the delegation token has expired"),
    ErrorCode(67, "INVALID_PRINCIPAL_TYPE", _NO, _REFUSAL, _CLUSTER, "the broker does not support this type of user"),
    ErrorCode(68, "NON_EMPTY_GROUP", _NO, _REFUSAL, _GROUP, "the group has readers"),
    ErrorCode(69, "GROUP_ID_NOT_FOUND", _NO, _OUTAGE, _GROUP, "there is no such group"),
    ErrorCode(70, "FETCH_SESSION_ID_NOT_FOUND", _YES, _OUTAGE, _CLUSTER, "the broker has forgotten the fetch session"),
    ErrorCode(71, "INVALID_FETCH_SESSION_EPOCH", _YES, _OUTAGE, _CLUSTER, "the broker has another fetch session"),
    ErrorCode(72, "LISTENER_NOT_FOUND", _YES, _OUTAGE, _TOPIC, "the partition's leader lacks this listener"),
    ErrorCode(
        73, "TOPIC_DELETION_DISABLED", _NO, _REFUSAL, _CLUSTER, "the cluster does not allow topics to be deleted"
    ),
    ErrorCode(74, "FENCED_LEADER_EPOCH", _YES, _OUTAGE, _TOPIC, "the partition has a newer leader"),
    ErrorCode(75, "UNKNOWN_LEADER_EPOCH", _YES, _OUTAGE, _TOPIC, "the broker has not heard of the newest leader yet"),
    ErrorCode(
        76, "UNSUPPORTED_COMPRESSION_TYPE", _NO, _REFUSAL, _TOPIC, "this client cannot read the topic's compression"
    ),
    ErrorCode(77, "STALE_BROKER_EPOCH", _NO, _OUTAGE, _CLUSTER, "the broker was restarted"),
    ErrorCode(78, "OFFSET_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the new leader does not know the log's end yet"),
    ErrorCode(79, "MEMBER_ID_REQUIRED", _NO, _OUTAGE, _GROUP, "the group has not given this reader an id yet"),
    ErrorCode(80, "PREFERRED_LEADER_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "the preferred leader is not available"),
    ErrorCode(
        81, "GROUP_MAX_SIZE_REACHED", _NO, _REFUSAL, _GROUP, "the group has as many readers as the broker allows"
    ),
    ErrorCode(82, "FENCED_INSTANCE_ID", _NO, _REFUSAL, _GROUP, "another reader has the same group.instance.id"),
    ErrorCode(83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", _YES, _OUTAGE, _TOPIC, "no replica can become the leader"),
    ErrorCode(84, "ELECTION_NOT_NEEDED", _YES, _OUTAGE, _TOPIC, "the partition has its preferred leader"),
    ErrorCode(85, "NO_REASSIGNMENT_IN_PROGRESS", _NO, _OUTAGE, _TOPIC, "no reassignment is in progress"),
    ErrorCode(86, "GROUP_SUBSCRIBED_TO_TOPIC", _NO, _REFUSAL, _GROUP, "the group reads this topic"),
    ErrorCode(87, "INVALID_RECORD", _NO, _REFUSAL, _RECORD, "the broker's checks reject the record"),
    ErrorCode(88, "UNSTABLE_OFFSET_COMMIT", _YES, _OUTAGE, _GROUP, "a transaction has not decided on the offsets yet"),
    ErrorCode(89, "THROTTLING_QUOTA_EXCEEDED", _YES, _OUTAGE, _CLUSTER, "a quota of the cluster is used up"),
    ErrorCode(90, "PRODUCER_FENCED", _NO, _BUG, _CLUSTER, "a newer producer has the same transactional id"),
    ErrorCode(91, "RESOURCE_NOT_FOUND", _NO, _REFUSAL, _CLUSTER, "the request names something that does not exist"),
    ErrorCode(92, "DUPLICATE_RESOURCE", _NO, _BUG, _CLUSTER, "the request names something twice"),
    ErrorCode(93, "UNACCEPTABLE_CREDENTIAL", _NO, _REFUSAL, _CLUSTER, "the broker does not accept these credentials"),
    ErrorCode(94, "INCONSISTENT_VOTER_SET", _NO, _OUTAGE, _CLUSTER, "the controllers disagree on their voters"),
    ErrorCode(95, "INVALID_UPDATE_VERSION", _NO, _REFUSAL, _CLUSTER, "this version of a feature is not possible"),
    ErrorCode(96, "FEATURE_UPDATE_FAILED", _NO, _OUTAGE, _CLUSTER, "the features could not be updated"),
    ErrorCode(
        97, "PRINCIPAL_DESERIALIZATION_FAILURE", _NO, _OUTAGE, _CLUSTER, "the broker could not forward the request"
    ),
    ErrorCode(98, "SNAPSHOT_NOT_FOUND", _NO, _OUTAGE, _CLUSTER, "the controller has no such snapshot"),
    ErrorCode(99, "POSITION_OUT_OF_RANGE", _NO, _BUG, _CLUSTER, "the position is outside the snapshot"),
    ErrorCode(100, "UNKNOWN_TOPIC_ID", _YES, _OUTAGE, _TOPIC, "the topic was deleted"),
    ErrorCode(101, "DUPLICATE_BROKER_REGISTRATION", _NO, _OUTAGE, _CLUSTER, "another broker has this number"),
    ErrorCode(102, "BROKER_ID_NOT_REGISTERED", _NO, _OUTAGE, _CLUSTER, "the broker is not registered"),
    ErrorCode(103, "INCONSISTENT_TOPIC_ID", _YES, _OUTAGE, _TOPIC, "the topic was deleted and created again"),
    ErrorCode(104, "INCONSISTENT_CLUSTER_ID", _NO, _REFUSAL, _CLUSTER, "the brokers belong to different clusters"),
    ErrorCode(105, "TRANSACTIONAL_ID_NOT_FOUND", _NO, _REFUSAL, _CLUSTER, "there is no such transactional id"),
    ErrorCode(
        106, "FETCH_SESSION_TOPIC_ID_ERROR", _YES, _OUTAGE, _CLUSTER, "the fetch session mixed topic names and ids"
    ),
    ErrorCode(107, "INELIGIBLE_REPLICA", _NO, _OUTAGE, _TOPIC, "a replica cannot be in sync"),
    ErrorCode(108, "NEW_LEADER_ELECTED", _NO, _OUTAGE, _TOPIC, "the partition has a new leader"),
    ErrorCode(109, "OFFSET_MOVED_TO_TIERED_STORAGE", _NO, _OUTAGE, _TOPIC, "the offset is in tiered storage"),
    ErrorCode(110, "FENCED_MEMBER_EPOCH", _NO, _OUTAGE, _GROUP, "the group has gone on without this reader"),
    ErrorCode(
        111,
        "UNRELEASED_INSTANCE_ID",
        _NO,
        _OUTAGE,
        _GROUP,
        "the group still has a reader of the same group.instance.id",
    ),
    ErrorCode(112, "UNSUPPORTED_ASSIGNOR", _NO, _REFUSAL, _GROUP, "the group does not support this assignor"),
    ErrorCode(113, "STALE_MEMBER_EPOCH", _NO, _OUTAGE, _GROUP, "the group has gone on without this reader"),
    ErrorCode(
        114,
        "MISMATCHED_ENDPOINT_TYPE",
        _NO,
        _REFUSAL,
        _CLUSTER,
        "the address is that of a controller or of the wrong kind of broker",
    ),
    ErrorCode(
        115, "UNSUPPORTED_ENDPOINT_TYPE", _NO, _REFUSAL, _CLUSTER, "the broker does not support this type of endpoint"
    ),
    ErrorCode(116, "UNKNOWN_CONTROLLER_ID", _NO, _OUTAGE, _CLUSTER, "the controller is not known"),
    ErrorCode(117, "UNKNOWN_SUBSCRIPTION_ID", _NO, _BUG, _CLUSTER, "the telemetry subscription is not known"),
    ErrorCode(118, "TELEMETRY_TOO_LARGE", _NO, _BUG, _CLUSTER, "the telemetry is too large"),
    ErrorCode(119, "INVALID_REGISTRATION", _NO, _OUTAGE, _CLUSTER, "the controller does not accept the broker"),
    ErrorCode(120, "TRANSACTION_ABORTABLE", _NO, _OUTAGE, _CLUSTER, "the transaction has to be aborted"),
    ErrorCode(
        121, "INVALID_RECORD_STATE", _NO, _OUTAGE, _TOPIC, "the acknowledged record is not held by this reader any more"
    ),
    ErrorCode(122, "SHARE_SESSION_NOT_FOUND", _YES, _OUTAGE, _CLUSTER, "the broker has forgotten the share session"),
    ErrorCode(123, "INVALID_SHARE_SESSION_EPOCH", _YES, _OUTAGE, _CLUSTER, "the broker has another share session"),
    ErrorCode(124, "FENCED_STATE_EPOCH", _NO, _OUTAGE, _GROUP, "the group has gone on without this coordinator"),
    ErrorCode(125, "INVALID_VOTER_KEY", _NO, _REFUSAL, _CLUSTER, "the key of a voter does not match"),
    ErrorCode(126, "DUPLICATE_VOTER", _NO, _REFUSAL, _CLUSTER, "the voter is one already"),
    ErrorCode(127, "VOTER_NOT_FOUND", _NO, _REFUSAL, _CLUSTER, "there is no such voter"),
    ErrorCode(128, "INVALID_REGULAR_EXPRESSION", _NO, _REFUSAL, _GROUP, "the regular expression is invalid"),
    ErrorCode(
        129,
        "REBOOTSTRAP_REQUIRED",
        _NO,
        _OUTAGE,
        _CLUSTER,
        "the brokers have changed: ask the configured addresses again",
    ),
    ErrorCode(130, "STREAMS_INVALID_TOPOLOGY", _NO, _REFUSAL, _GROUP, "the topology of the streams is invalid"),
    ErrorCode(
        131, "STREAMS_INVALID_TOPOLOGY_EPOCH", _NO, _REFUSAL, _GROUP, "the epoch of the streams' topology is invalid"
    ),
    ErrorCode(132, "STREAMS_TOPOLOGY_FENCED", _NO, _OUTAGE, _GROUP, "the streams' topology is outdated"),
    ErrorCode(
        133, "SHARE_SESSION_LIMIT_REACHED", _YES, _OUTAGE, _CLUSTER, "the broker has no room for another share session"
    ),
)

BY_CODE: Mapping[int, ErrorCode] = {row.code: row for row in _ROWS}
