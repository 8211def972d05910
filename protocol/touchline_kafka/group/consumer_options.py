"""The options of a group's consumers: which callers may set, and which not."""

from collections.abc import Mapping
from typing import Any

from touchline_protocol.errors import OperatorError

DEFAULTS: Mapping[str, Any] = {
    # How soon added partitions are noticed.
    "metadata_max_age_ms": 30_000,
    # How soon the other readers of a group notice that one came or left, and stop for the new assignment.
    "heartbeat_interval_ms": 1_000,
    # How soon a killed reader's partitions are taken over.
    "session_timeout_ms": 10_000,
    # How long the group waits for a reader that is busy. Must be less than aiokafka's request timeout, 40 s.
    "rebalance_timeout_ms": 30_000,
    # How long a partition that begins to be read can wait, since one request is out at a time.
    "fetch_max_wait_ms": 250,
    # The size of one answer: some 30,000 actions.
    "fetch_max_bytes": 8 << 20,
}
FIXED: Mapping[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
}
"""Options that "each record once" rests on, so callers cannot set them."""
_TAKEN = frozenset((*FIXED, "bootstrap_servers", "group_id", "key_deserializer", "value_deserializer"))


def consumer_options(group: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the consumers of ``group``; ``given`` has those that the caller set.

    Raises:
        OperatorError: ``given`` has one that callers cannot set.
    """
    if taken := sorted(_TAKEN.intersection(given)):
        raise OperatorError(f"{taken[0]} cannot be set here: reading each record once rests on it")
    return {**DEFAULTS, **given, **FIXED, "group_id": group}
