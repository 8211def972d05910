"""What Locust's page says about failures: what failed, and why. Pure.

Locust has a row for each text, so whatever differs from client to client (names, ports, offsets) must not be in one.
"""

from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull, ConnectionFailed, ConnectionRefused
from touchline_protocol.codes import CLOSES

CLOSE_CODE_MIN = 1000
"""Smaller codes of a `ConnectionRefused` are those of HTTP."""


def connect_failure(address: str, failure: ConnectionFailed) -> str:
    """Why there is no connection to ``address`` (``host:port``)."""
    return f"cannot connect to {address}: {_reason(failure)}"


def close_text(code: int) -> str:
    """A close code, with its name."""
    return f"closed with {code} ({CLOSES[code].name if code in CLOSES else 'unknown code'})"


def refused_room(room: str, code: str) -> str:
    """Why a room could not be joined. Rooms of one feed share a text."""
    return f"rooms of the feed {room.partition(':')[0]}: {code}"


def action_failure(error: ActionRefused | ActionInDoubt | ActionsFull) -> str:
    """Why an action was not acknowledged."""
    match error:
        case ActionRefused():
            return f"refused: {error.code}"
        case ActionInDoubt():
            return "in doubt: the connection was lost before the answer, and the action may be in the log or not"
        case ActionsFull():
            return "not sent: too many actions of this player are waiting for their answers"


def _reason(failure: ConnectionFailed) -> str:
    if isinstance(failure, ConnectionRefused):
        code = failure.code
        if isinstance(code, int):
            return f"HTTP {code}" if code < CLOSE_CODE_MIN else close_text(code)
        return code
    cause = failure.__cause__
    if isinstance(cause, OSError):
        return _os_reason(cause)
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None:  # websockets' InvalidStatus
        return f"HTTP {status}"
    return str(failure)


def _os_reason(error: OSError) -> str:
    """What the operating system says, without its numbers."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    why = getattr(error, "verify_message", None) or getattr(error, "reason", None)  # what only OpenSSL's errors have
    if isinstance(why, str):
        return f"TLS failed: {why.replace('_', ' ').lower()}"
    text = error.strerror or str(error) or type(error).__name__
    return text[0].lower() + text[1:]
