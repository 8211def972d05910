"""Group readers of any records, which hand out each record as often as it is in the log."""

import uuid

from touchline_kafka.cluster import Cluster
from touchline_kafka.group.reader import GroupReader


class NoMemory:
    """Takes every item for new."""

    forgotten = 0

    def is_new(self, item: object, at_ms: int) -> bool:
        return True


def values_reader(cluster: Cluster, topic: str) -> GroupReader[bytes | None]:
    """A reader of the values of a topic, from its beginning, in a group of its own."""
    return GroupReader(
        cluster,
        group=f"group-{uuid.uuid4()}",
        topic=topic,
        decode=lambda record, _partition: record.value,
        new_memory=NoMemory,
        look_back_ms=0,
        start="beginning",
        commit_s=1.0,
    )
