"""Counts and logs the records that were skipped because they are neither events nor verdicts."""

from collections.abc import Sequence

import structlog

from touchline_server.core.rooms.old_records import Skip

logger = structlog.get_logger("touchline.node")


class SkipLog:
    """``count`` is the number of skipped records since the start."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, skips: Sequence[Skip]) -> None:
        """Count and log skipped records."""
        for skip in skips:
            self.count += 1
            where = f"{skip.topic}[{skip.partition}]@{skip.offset}"
            logger.warning(
                "record_skipped", record=where, reason=skip.reason, why=skip.message, skipped_records=self.count
            )
