"""What a close by the server means, as a sentence for the person whose program it ends, or for the log.

Pure: what to *do* about a close code is `touchline_protocol.codes`' to say.
"""

from datetime import UTC, datetime

from touchline_protocol.codes import BANNED, CLOSES, Recovery, recovery_of_close

from .items import Verdict

FIXED = (
    "The token's time is over, and touchline.connect was given that one only: "
    "give it a function as token, which returns a new one each time that it is called."
)


def describe_close(code: int, reason: str, complaint: str, verdict: Verdict | None, *, no_newer_token: bool) -> str:
    """The sentence.

    ``reason`` is that of the close frame, ``complaint`` what the server said before it, ``verdict`` the newest;
    ``no_newer_token``: the token ran out, and there is none to come back with.
    """
    close = CLOSES.get(code)
    name = "unknown" if close is None else close.name
    said = f"the connection was closed with {code} {name}"
    if reason and reason != name:  # edges say the name where they have nothing to add
        said += f": {reason}"
    if code == BANNED.code and verdict is not None:
        return f"{said}. The player is banned{_until(verdict)}: {verdict.reason}"
    if complaint:
        return f"{said}. {complaint}"
    if no_newer_token:
        return f"{said}. {FIXED}"
    if close is not None and recovery_of_close(code) is Recovery.GIVE_UP:
        said += f" ({close.meaning})"
    return said


def _until(verdict: Verdict) -> str:
    if verdict.until is None:
        return ""
    try:
        return f" until {datetime.fromtimestamp(verdict.until / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # beyond what a calendar has
        return ""
