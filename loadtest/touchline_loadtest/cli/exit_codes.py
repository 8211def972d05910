"""How a command ends. The exit codes are those of ``touchline``, whose meaning of 1 is wider here.

0 success, 1 what was measured or checked is not as it has to be, or the measurement itself failed, 2 an error that the
user can fix, in one line on stderr, 130 interrupted.
"""

FAILED = 1
USER_ERROR = 2


class Failed(Exception):
    """The run has failed, for a reason that fits into one line. The exit code is `FAILED`."""
