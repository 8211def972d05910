"""Which ends of connections slow reading explains. Pure."""

from touchline_protocol.codes import ABNORMAL, TOO_SLOW

BEHIND_MS = 3_000.0
"""How late a slow reader's last event is at least if the server cut it off for that. An edge waits this long for a full
socket to take its close frame; the kernel's TCP_USER_TIMEOUT, which ends slow readers without one, takes far longer."""


def is_for_slowness(code: int, lag_ms: float, *, silent: bool) -> bool:
    """Whether a connection ended because its client reads slowly. ``lag_ms`` is how late its last event was.

    A full socket takes no close frame, so the edge or its kernel may cut off a reader that is behind. ``silent``: the
    client gave up, since nothing arrived or could be sent.
    """
    if code == ABNORMAL.code:
        return silent or lag_ms >= BEHIND_MS
    return code == TOO_SLOW.code
