"""Counts and logs the records that were left out, since no event and no verdict can be made of them."""

import logging
import time
from collections.abc import Sequence

from touchline_server.core.rooms.hub import Skip

SKIPS_LOGGED_PER_SECOND = 20
"""Each record that is left out is logged, but a producer gone wrong must not fill the disk: the rest is counted."""

logger = logging.getLogger("touchline.node")


class SkipLog:
    """``count`` is the number of records that were left out since the start."""

    def __init__(self) -> None:
        self.count = 0
        self._second = 0
        self._logged = 0

    def report(self, skips: Sequence[Skip]) -> None:
        """Count and log records that were left out."""
        for skip in skips:
            self.count += 1
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._logged = second, 0
            self._logged += 1
            if self._logged <= SKIPS_LOGGED_PER_SECOND:
                where = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning("%s left out, %s: %s (%d so far)", where, skip.reason, skip.message, self.count)
