"""Logs when a problem begins and when it ends, and not in between: problems are looked at about once a second."""

import time
from collections.abc import Mapping

import structlog

AGAIN_S = 10.0
"""The shortest time between two lines about one subject: what comes and goes must not fill the disk."""

logger = structlog.get_logger("touchline.node")


class ProblemLog:
    """What was logged of problems, by subject."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}
        self._at: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def report(self, problems: Mapping[str, str]) -> None:
        """Log what is new among the current problems, and what is over."""
        if not problems and not self._logged:
            return
        now = time.monotonic()
        for what, why in problems.items():
            if self._logged.get(what) != why and now - self._at.get(what, -AGAIN_S) >= AGAIN_S:
                self._logged[what] = why
                self._at[what] = now
                self._began.setdefault(what, now)
                logger.warning("problem_began", subject=what, why=why)
        for what in self._logged.keys() - problems.keys():
            del self._logged[what]
            logger.info("problem_ended", subject=what, lasted_s=round(now - self._began[what], 1))
            del self._began[what]
