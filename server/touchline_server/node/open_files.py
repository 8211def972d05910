"""How many files this process may have open, and how many clients that leaves room for.

Rules:

1. The soft limit is raised to the hard one, which only the operator can raise.
2. If ``connections_max`` does not fit below it, it is lowered, and that is said: by a line, and in ``/readyz``.
3. If hardly any client fits, the server does not start.
4. The control plane gets the files that clients cannot use: at least `CONTROL_FILES`, however many clients there are.
"""

import errno
import os
import resource
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import structlog

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.control.connection import CONNECTIONS_MAX
from touchline_server.core.liveness import REFUSED_CONNECTIONS_MAX

CONTROL_FILES = 40
"""Connections to the control plane that there are files for in any case."""

OWN_FILES = 56 + CONTROL_FILES
"""Files that are not clients' connections: 20 of the process itself, about 6 per broker of a log in Kafka, and one for
each connection to the control plane."""

RESERVED_FILES = OWN_FILES + REFUSED_CONNECTIONS_MAX
"""Files that are not for clients that are let in."""

CLIENTS_MIN = 16
"""With room for fewer, the limit is a mistake."""

CHECK_EVERY_S = 1.0

SUBJECT = "open_files"
"""What the problem is called in ``/readyz``."""

ADVICE = "raise the limit of open files (ulimit -n, LimitNOFILE= in systemd, nofile in limits.conf)"

NOTHING_LOWERED: Mapping[str, str] = MappingProxyType({})

logger = structlog.get_logger("touchline.node")


def raise_limit() -> int:
    """Raise the soft limit on open files to the hard one; returns the limit that is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems have a lower limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft


def fit(
    settings: Settings, files_max: int, known: Mapping[str, str] = NOTHING_LOWERED
) -> tuple[Settings, Mapping[str, str]]:
    """Lower ``connections_max`` to what fits into ``files_max``. Returns what was lowered, and why, by setting. It is
    logged unless it is ``known``: what the call before returned.

    Raises:
        OperatorError: hardly any client fits.
    """
    fitting = files_max - RESERVED_FILES
    if files_max == resource.RLIM_INFINITY or settings.connections_max <= fitting:
        return settings, {}
    if fitting < CLIENTS_MIN:
        raise OperatorError(
            f"this process may have only {files_max} files open, which is too few for a server: it needs at least "
            f"{RESERVED_FILES + CLIENTS_MIN}, and one more for each client; {ADVICE}"
        )
    wanted = settings.connections_max
    why = f"{fitting} instead of {wanted}, because this process may have only {files_max} files open: {ADVICE}"
    lowered = {"connections_max": why}
    if lowered != known:
        logger.warning(
            "connections_max_lowered", wanted=wanted, connections_max=fitting, open_files_max=files_max, cure=ADVICE
        )
    return settings.model_copy(update={"connections_max": fitting}), lowered


def control_connections_max(connections_max: int) -> int:
    """How many connections to the control plane fit beside the clients', so that a probe always finds a file."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files_max == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    spare = max(0, files_max - RESERVED_FILES - connections_max)
    return min(CONTROL_FILES + spare, CONNECTIONS_MAX)


class OpenFiles:
    """Notices when no more files can be opened."""

    def __init__(self) -> None:
        self._checked_s = -CHECK_EVERY_S
        self._problems: Mapping[str, str] = {}

    def problems(self) -> Mapping[str, str]:
        """What is wrong, by its subject. It is looked at once a second at most."""
        now_s = time.monotonic()
        if now_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = now_s
            self._problems = {} if _can_open() else {SUBJECT: f"no more files can be opened; {ADVICE}"}
        return self._problems


def _can_open() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True
