"""The conversation with a client: what it may send when, and what is done about it.

`TRANSITIONS` lists which message is allowed in which state, and what it does. The end of the connection closes a client
in any state.

Whatever a client sends is answered by its code, and harms nobody else. Rates limit what it may ask for: beyond them a
request is refused with its code, and a client that goes on regardless is closed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from touchline_protocol import codes
from touchline_protocol.errors import BadMessage
from touchline_protocol.messages import Action, ClientMessage, Hello, Refresh, Subscribe, Unsubscribe
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Owner
from touchline_server.core.players.action_queue import Malformed

from .acting import act
from .client import Client, ClientState
from .room_requests import subscribe, unsubscribe
from .signing_in import demand_hello, greet, refresh, refuse_hello

Handler: TypeAlias = Callable[[Any, Any, Now], "Client[Any] | None"]
"""What is done about a message: called with client, message and time; returns what `receive` does."""


class Transition(NamedTuple):
    """The state that a message leads to, and what is done about it."""

    next: ClientState
    action: Handler


TRANSITIONS: dict[tuple[ClientState, type[ClientMessage] | type[None]], Transition] = {
    (ClientState.AWAITING_HELLO, Hello): Transition(ClientState.OPEN, greet),
    (ClientState.AWAITING_HELLO, Subscribe): Transition(ClientState.CLOSED, demand_hello),
    (ClientState.AWAITING_HELLO, Unsubscribe): Transition(ClientState.CLOSED, demand_hello),
    (ClientState.AWAITING_HELLO, Action): Transition(ClientState.CLOSED, demand_hello),
    (ClientState.AWAITING_HELLO, Refresh): Transition(ClientState.CLOSED, demand_hello),
    (ClientState.AWAITING_HELLO, type(None)): Transition(ClientState.CLOSED, demand_hello),
    (ClientState.OPEN, Hello): Transition(ClientState.OPEN, refuse_hello),
    (ClientState.OPEN, Subscribe): Transition(ClientState.OPEN, subscribe),
    (ClientState.OPEN, Unsubscribe): Transition(ClientState.OPEN, unsubscribe),
    (ClientState.OPEN, Action): Transition(ClientState.OPEN, act),
    (ClientState.OPEN, Refresh): Transition(ClientState.OPEN, refresh),
}
"""What a client may send when. None stands for a payload that is not a message: once open, an error like others."""


def receive(client: Client[Owner], payload: bytes, now: Now) -> Client[Owner] | None:
    """Take one message. Returns the client whose action session this one took over, which is to be closed."""
    if client.state in (ClientState.CLOSED, ClientState.ENTERING):
        return None  # the shell hands in nothing while it is ENTERING
    if client.rates.take_message(now.loop_ms):
        client.closing = client.closing or codes.TOO_MANY_MESSAGES
        return None
    if client.rates.take_bytes(len(payload), now.loop_ms):
        client.closing = client.closing or codes.TOO_MANY_BYTES
        return None
    replaced = _answer(client, payload, now)
    if client.refusals:
        client.work += client.refusals  # each has an answer, and a line in the log
        if client.rates.take_refusals(client.refusals, now.loop_ms):
            client.closing = client.closing or codes.TOO_MANY_ERRORS
        client.refusals = 0
    return replaced


def receive_control_frame(client: Client[Owner], now: Now) -> None:
    """Take a ping or a pong."""
    if client.rates.take_ping(now.loop_ms):
        client.closing = client.closing or codes.TOO_MANY_PINGS


def _answer(client: Client[Owner], payload: bytes, now: Now) -> Client[Owner] | None:
    try:
        message: ClientMessage | None = client.codec.decode_client(payload)
    except BadMessage as error:
        message = None
        if client.state is ClientState.AWAITING_HELLO or error.action_id is None:
            client.send_error(codes.ERRORS[error.code], str(error))
        else:
            act(client, Malformed(error.action_id, str(error), error.action_prev), now)
        if client.state is ClientState.OPEN:
            return None
    transition = TRANSITIONS[client.state, type(message)]
    client.state = transition.next
    return transition.action(client, message, now)
