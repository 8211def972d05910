"""A client's actions, and the action session that they are numbered in."""

from touchline_protocol import codes
from touchline_protocol.messages import Action, Nack
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Owner
from touchline_server.core.players.action_queue import Malformed
from touchline_server.core.players.grants import Grant

from .client import Client


def enter_session(
    client: Client[Owner], grant: Grant, name: str, number: int, *, continued: bool
) -> Client[Owner] | None:
    """Let the client act in a session. Returns the client that loses the session to it, and is to be closed.

    ``number`` is what the player store holds the session under, 0 if it has not been asked.
    """
    access = client.access
    client.action_session, replaced = access.enter_session(client, grant.player, name, number, continued=continued)
    if replaced is not None:
        replaced.lose_session()
    return replaced


def act(client: Client[Owner], message: Action | Malformed, now: Now) -> None:
    """Queue an action for the log, or refuse it."""
    actions = client.access.actions
    waiting_before = actions.waiting
    if client.action_session is None or client.grant is None:
        why = "only players may act: put a token into hello"
        nack: Nack | None = Nack(id=message.id, code=codes.TOKEN_MISSING.code, message=why)
    else:
        nack = actions.submit(client.action_session, client.grant, client.codec, message, now)
    if nack is not None:
        actions.counters.outcomes[nack.code] += 1
        client.send(nack)
    if actions.waiting == waiting_before:  # refused, or a copy of one that waits for its answer
        client.refusals += 1
