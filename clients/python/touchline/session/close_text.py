"""What a close by the server means, as a sentence for the log, or for the user whose client it ends.

Pure. `touchline_protocol.codes` decides what to *do* about a close code.
"""

from datetime import UTC, datetime

from touchline_protocol.codes import BANNED, CLOSES, Recovery, recovery_of_close

from .items import Verdict

FIXED_HINT = (
    "The token has expired, and touchline.connect was given no other one. "
    "Pass a function as token that returns a new one each time it is called."
)


def describe_close(code: int, reason: str, last_error: str, verdict: Verdict | None, *, no_newer_token: bool) -> str:
    """The sentence for a close.

    ``reason`` is that of the close frame. ``last_error`` is the error that the server sent before it, and ``verdict``
    the newest one. ``no_newer_token`` means that the token expired and the client cannot get another one.
    """
    close = CLOSES.get(code)
    name = "unknown" if close is None else close.name
    text = f"the connection was closed with {code} {name}"
    if reason and reason != name:  # edges send the name if they have nothing to add
        text += f": {reason}"
    if code == BANNED.code and verdict is not None:
        banned = f"{text}. The player is banned{_until(verdict)}"
        return f"{banned}: {verdict.reason}" if verdict.reason else banned
    if last_error:
        return f"{text}. {last_error}"
    if no_newer_token:
        return f"{text}. {FIXED_HINT}"
    if close is not None and recovery_of_close(code) is Recovery.GIVE_UP:
        text += f" ({close.meaning})"
    return text


def _until(verdict: Verdict) -> str:
    if verdict.until is None:
        return ""
    try:
        return f" until {datetime.fromtimestamp(verdict.until / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # outside the calendar
        return ""
