"""The states of a session, and what leads from one to the next.

    state        what happens                        next
    CONNECTING   the WebSocket is open               GREETING     the client sends hello
    CONNECTING   connecting failed                   WAITING      the wait grows
    CONNECTING   connecting failed for good          CLOSED       `failure` says why
    GREETING     welcome                             OPEN         the client asks for its rooms from their cursors,
                                                                  and sends unanswered actions again
    GREETING     goaway, silence, lost connection    WAITING
    OPEN         goaway                              LEAVING      the server still serves the client until it leaves
    OPEN         silence, lost connection            WAITING
    LEAVING      the time to leave has come          CONNECTING   to any edge
    LEAVING      goaway                              LEAVING      the newest one counts
    LEAVING      silence, lost connection            WAITING      until the time to leave
    WAITING      the wait is over                    CONNECTING
    any of them  a close or error that says give up  CLOSED       `failure` says why
    any of them  the user closes                     CLOSED

`session` decides what else happens in each step.
"""

from enum import Enum, auto


class State(Enum):
    """Where a session is; see the table above."""

    CONNECTING = auto()
    GREETING = auto()
    OPEN = auto()
    LEAVING = auto()
    WAITING = auto()
    CLOSED = auto()


class Input(Enum):
    """What can happen to a session."""

    CONNECTED = auto()
    WELCOME = auto()
    GOAWAY = auto()
    LOST = auto()
    DUE = auto()
    GIVE_UP = auto()
    CLOSE = auto()


CONNECTED = frozenset({State.GREETING, State.OPEN, State.LEAVING})
"""A WebSocket is in use."""

SERVED = frozenset({State.OPEN, State.LEAVING})
"""The server accepts subscribes and actions."""

TRANSITIONS: dict[tuple[State, Input], State] = (
    {
        (State.CONNECTING, Input.CONNECTED): State.GREETING,
        (State.CONNECTING, Input.LOST): State.WAITING,
        (State.GREETING, Input.WELCOME): State.OPEN,
        (State.GREETING, Input.GOAWAY): State.WAITING,
        (State.GREETING, Input.LOST): State.WAITING,
        (State.OPEN, Input.GOAWAY): State.LEAVING,
        (State.OPEN, Input.LOST): State.WAITING,
        (State.LEAVING, Input.GOAWAY): State.LEAVING,
        (State.LEAVING, Input.LOST): State.WAITING,
        (State.LEAVING, Input.DUE): State.CONNECTING,
        (State.WAITING, Input.DUE): State.CONNECTING,
    }
    | {(state, Input.GIVE_UP): State.CLOSED for state in State}
    | {(state, Input.CLOSE): State.CLOSED for state in State}
)
