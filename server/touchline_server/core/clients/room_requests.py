"""A client's requests for rooms: to join, to leave, and to open with a single one (server-sent events)."""

from touchline_protocol import codes
from touchline_protocol.errors import BadRoom
from touchline_protocol.messages import RoomRequest, Subscribe, Unsubscribe, Unsubscribed
from touchline_protocol.rooms import split_room
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Owner
from touchline_server.core.players.grants import Grant, Refusal

from .client import Client, ClientState


def subscribe(client: Client[Owner], message: Subscribe, now: Now) -> None:
    """Join the rooms; each one that cannot be joined is answered by an error of its own."""
    if wait_ms := client.rates.take_subscribes(len(message.rooms), now.loop_ms):
        why = "none of these rooms was joined: ask for them again after retry_ms"
        client.send_error(codes.TOO_MANY_SUBSCRIBES, why, request_id=message.id, retry_ms=wait_ms)
        return
    client.work += len(message.rooms)
    for request in message.rooms:
        refusal = _refusal(client, request, client.grant)
        if refusal is None:
            _join(client, request, message.id)
        else:
            client.send_error(*refusal, request.room, message.id)


def unsubscribe(client: Client[Owner], message: Unsubscribe, _now: Now) -> None:
    """Leave the rooms; each one that the client is not in is answered by an error."""
    client.work += len(message.rooms)
    for name in message.rooms:
        subscription = client.subscriptions.get(name)
        if subscription is None:
            client.send_error(codes.NOT_SUBSCRIBED, "the connection is not in this room", name, message.id)
        else:
            client.leave(subscription)
            client.send(Unsubscribed(room=name, id=message.id))


def watch(client: Client[Owner], request: RoomRequest, now: Now) -> Refusal | None:
    """Open with one room, for a client that sends no messages; returns why it cannot, or None.

    Raises:
        TokenRefused: a token is required, and none was presented.
    """
    grant = client.presented or client.access.admit(None, now)
    standing = client.access.standing(grant, now.loop_ms)
    if standing is not None and standing.kind == "ban":
        return codes.FORBIDDEN, f"a verdict bans the player: {standing.reason}"
    if grant is not None and client.access.is_full(grant.player, newcomers=1):
        return codes.TOO_MANY_PLAYER_CONNECTIONS, f"a player may have {client.access.connections_max} connections"
    refusal = _refusal(client, request, grant)
    if refusal is None:
        client.sign_in(grant)
        if grant is not None and client.access.fleet is not None:
            # Not waited for: the response to the request has begun by then. If it is one too many, the stream is ended.
            client.access.fleet.arrive(client, grant.player, None)
        client.state = ClientState.OPEN
        client.single_room = True
        client.last_write_ms = now.loop_ms  # the head of the response, however long the room takes
        _join(client, request, None)
    return refusal


def _refusal(client: Client[Owner], request: RoomRequest, grant: Grant | None) -> Refusal | None:
    """Why a room cannot be joined; None if it can."""
    name, feeds = request.room, client.hub.feeds
    try:
        feed, _ = split_room(name)
    except BadRoom as error:
        return codes.BAD_ROOM, str(error)
    if feed not in feeds:
        known = ", ".join(sorted(feeds))
        return codes.UNKNOWN_FEED, f"this server does not carry the feed {feed!r}; it carries {known}"
    if not client.access.may_watch(grant, name):
        return codes.FORBIDDEN, "the token's rooms do not include this one"
    if request.members and not client.access.may_see_members(grant, name):
        lacks = "it takes a token whose members" if grant is None else "the token's members do not"
        return codes.MEMBERS_FORBIDDEN, f"{lacks} include this room"
    if name in client.subscriptions:
        return codes.ALREADY_SUBSCRIBED, "unsubscribe first to start over"
    if len(client.subscriptions) >= client.limits.rooms_max:
        return codes.TOO_MANY_ROOMS, f"a connection's rooms_max is {client.limits.rooms_max}; leave a room first"
    if (request.epoch is None) != (request.after is None):
        return codes.BAD_MESSAGE, "epoch and after go together: they are one cursor"
    if request.ts is not None and request.after is None:
        return codes.BAD_MESSAGE, "ts belongs to a cursor: epoch and after go with it"
    if client.hub.room(name) is None:
        return codes.UNAVAILABLE, "this edge has not read the room's log yet; try again in a moment"
    return None


def _join(client: Client[Owner], request: RoomRequest, request_id: int | None) -> None:
    room = client.hub.room(request.room)
    assert room is not None  # noqa: S101 - nothing spoke against joining it a moment ago
    client.enter(room, request, request_id)
