"""Counts and logs the records that were skipped because they are neither events nor verdicts."""

import logging
import time
from collections.abc import Sequence

from touchline_server.core.rooms.old_records import Skip

SKIPS_LOGGED_PER_SECOND = 20
"""Each skipped record is logged, but a faulty producer must not fill the disk: the rest is only counted."""

logger = logging.getLogger("touchline.node")


class SkipLog:
    """``count`` is the number of skipped records since the start."""

    def __init__(self) -> None:
        self.count = 0
        self._second = 0
        self._logged = 0

    def report(self, skips: Sequence[Skip]) -> None:
        """Count and log skipped records."""
        for skip in skips:
            self.count += 1
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._logged = second, 0
            self._logged += 1
            if self._logged <= SKIPS_LOGGED_PER_SECOND:
                where = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning("%s skipped, %s: %s (%d so far)", where, skip.reason, skip.message, self.count)
