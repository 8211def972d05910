"""The exit codes of the command ``cheatwatch``. Python itself exits with 1, and a traceback, on a bug of ours."""

USER_ERROR = 2
"""An error that the user can fix, reported in one line on stderr."""

RULES_FAILED = 3
"""An evaluation in which the rule set missed bots, or accused honest players."""
