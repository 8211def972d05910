"""Logs when a problem begins and when it ends, and not in between: problems are looked at about once a second."""

import math
import time
from collections.abc import Callable, Mapping

import structlog

AGAIN_S = 10.0
"""The shortest time between two lines about one subject: what comes and goes must not fill the disk."""

logger = structlog.get_logger("touchline.problems")


class ProblemLog:
    """What was logged of problems, by subject. ``now_s`` is a monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._logged: dict[str, str] = {}
        self._at: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def report(self, problems: Mapping[str, str]) -> None:
        """Log what is new among the current problems, and what is over. A line that comes late has the true times."""
        if not problems and not self._began:
            return
        now = self._now_s()
        for what, why in problems.items():
            began = self._began.setdefault(what, now)
            if self._logged.get(what) != why and now - self._at.get(what, -math.inf) >= AGAIN_S:
                self._logged[what] = why
                self._at[what] = now
                logger.warning("problem_began", subject=what, why=why, ago_s=round(now - began, 1))
        for what in self._began.keys() - problems.keys():
            lasted_s = round(now - self._began.pop(what), 1)
            if self._logged.pop(what, None) is not None:
                logger.info("problem_ended", subject=what, lasted_s=lasted_s)
