"""What is committed beside an offset: by what to recognise the log that it is an offset of.

Kafka keeps a text with each committed offset. Ours names the topic's id and the leader epoch of the last record before
the offset, so that a reader that starts later can tell whether the log still holds what the group has processed. Other
programs may commit too, with a text of their own or none: then the offset alone counts, as for any Kafka consumer.

Pure.
"""

import json
from typing import NamedTuple, Self

from touchline_kafka.leader_epochs import EpochEntry


class LogMark(NamedTuple):
    """``topic_id`` is in Kafka's text form; ``entry`` has the leader epoch of the last record before the offset."""

    topic_id: str
    entry: EpochEntry

    def text(self) -> str:
        """The mark as it is committed."""
        epoch, start_offset = self.entry
        return json.dumps({"topic_id": self.topic_id, "leader_epoch": epoch, "epoch_start_offset": start_offset})

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The mark in a committed text; None if it is not one of ours."""
        try:
            found = json.loads(text or "")
            topic_id, epoch, offset = (found[name] for name in ("topic_id", "leader_epoch", "epoch_start_offset"))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not isinstance(topic_id, str) or type(epoch) is not int or type(offset) is not int:
            return None
        return cls(topic_id, EpochEntry(epoch, offset))
