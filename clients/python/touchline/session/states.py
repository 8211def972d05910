"""The states of a client's session, and what leads from one to another.

    state        what happens                        next
    CONNECTING   the WebSocket is open               GREETING     hello is said
    CONNECTING   it failed                           WAITING      the wait grows
    CONNECTING   it failed and would again           CLOSED       `failure` says why
    GREETING     welcome                             OPEN         rooms are asked for from their cursors, unanswered
                                                                  actions are sent again
    GREETING     goaway, silence, lost connection    WAITING
    OPEN         goaway                              LEAVING      still served, until its time to leave has come
    OPEN         silence, a lost connection          WAITING
    LEAVING      its time has come                   CONNECTING   to any edge
    LEAVING      goaway                              LEAVING      the newest counts
    LEAVING      silence, a lost connection          WAITING      until that time
    WAITING      its time has come                   CONNECTING
    any of them  a close or error that says give up  CLOSED       `failure` says why
    any of them  the user closes                     CLOSED

What else happens then is `touchline.session`'s to say.
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
"""The server takes subscribes and actions."""

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
