"""Letting a client in: its `hello`, the welcome that answers it, and a newer token later on."""

from touchline_protocol import codes
from touchline_protocol.messages import Hello, Refresh, Refreshed, Welcome
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Owner
from touchline_server.core.input_scheduler import TOKEN_WORK
from touchline_server.core.players.grants import TokenRefused
from touchline_server.core.players.player_store import Admission

from .acting import enter_session
from .client import Client, ClientState

NOT_ASKED = Admission(is_refused=False)
"""The admission of a client that the player store was not asked about."""


def greet(client: Client[Owner], message: Hello, now: Now) -> Client[Owner] | None:
    """Let the client in, close it, or ask the player store first. Returns the client whose session it took over."""
    if message.token is not None:
        client.work += TOKEN_WORK
    presented = client.presented if message.token is None else None
    try:
        grant = presented or client.access.admit(message.token, now)
    except TokenRefused as refused:
        client.send_error(refused.code, str(refused))
        is_unknown = refused.code is codes.TOKEN_KEY_UNKNOWN
        client.closing = codes.CLOSE_TOKEN_KEY_UNKNOWN if is_unknown else codes.UNAUTHORIZED
        return None
    client.sign_in(grant)
    if _is_banned(client, now):
        return None
    client.hello = message
    if grant is None:
        return let_in(client, NOT_ASKED, now)
    if client.access.is_full(grant.player, newcomers=0):
        return let_in(client, Admission(is_refused=True), now)
    fleet = client.access.fleet
    if fleet is None or not fleet.is_available:
        return let_in(client, NOT_ASKED, now)
    client.state = ClientState.ENTERING
    fleet.arrive(client, grant.player, message.session or client.session_name)
    return None


def let_in(client: Client[Owner], admission: Admission, now: Now) -> Client[Owner] | None:
    """Answer the client's hello. Returns the client whose action session it took over."""
    hello, client.hello = client.hello, None
    assert hello is not None  # noqa: S101 - it was kept for this
    client.state = ClientState.OPEN
    if admission.is_refused:
        refuse_connection(client)
        return None
    if _is_banned(client, now):
        return None
    grant, name = client.grant, hello.session or client.session_name
    replaced = None
    if grant is not None:
        replaced = enter_session(client, grant, name, admission.number, continued=hello.session is not None)
    _welcome(client, name, hello.agent, admission.last_action, now)
    standing = client.access.standing(grant, now.loop_ms)
    if standing is not None:
        client.enforce(standing)
    return replaced


def refuse_connection(client: Client[Owner]) -> None:
    """Close a client whose player has too many connections."""
    if not client.single_room:
        why = f"a player may have {client.access.connections_max} connections: close one, and try again"
        client.send_error(codes.TOO_MANY_PLAYER_CONNECTIONS, why)
    client.closing = codes.CLOSE_TOO_MANY_PLAYER_CONNECTIONS


def _is_banned(client: Client[Owner], now: Now) -> bool:
    """Whether a ban stands against the client's player, of which it is then told."""
    standing = client.access.standing(client.grant, now.loop_ms)
    if standing is None or standing.kind != "ban":
        return False
    client.enforce(standing)
    return True


def _welcome(client: Client[Owner], session_name: str, agent: str | None, last_action: int, now: Now) -> None:
    limits, grant = client.limits, client.grant
    acting = client.access.actions if client.access.verify is not None else None  # without keys nobody can act
    client.send(
        Welcome(
            session=session_name,
            edge=limits.edge,
            heartbeat_ms=limits.heartbeat_ms,
            limits=limits.advertised(acting),
            time=now.unix_ms,
            player=None if grant is None else grant.player,
            expires=None if grant is None else grant.expires_ms,
            last_action=0 if client.action_session is None else max(client.action_session.in_log, last_action),
        ),
        agent,
    )


def refresh(client: Client[Owner], message: Refresh, now: Now) -> None:
    """Check a newer token, and drop the rooms that it does not allow."""
    if wait_ms := client.rates.take_refresh(now.loop_ms):
        client.send_error(codes.TOO_MANY_REFRESHES, "wait for retry_ms", request_id=message.id, retry_ms=wait_ms)
        return
    client.work += TOKEN_WORK
    try:
        grant = client.access.renew(client, client.grant, message.token, now)
    except TokenRefused as refused:
        client.send_error(refused.code, str(refused), request_id=message.id)
        return
    client.grant = grant
    for name, subscription in list(client.subscriptions.items()):
        if not client.access.may_watch(grant, name):
            client.refuse(subscription, codes.FORBIDDEN, "the newer token does not allow this room")
        elif subscription.request.members and not client.access.may_see_members(grant, name):
            client.refuse(subscription, codes.MEMBERS_FORBIDDEN, "the newer token's members do not include this room")
    client.send(Refreshed(expires=grant.expires_ms, id=message.id))


def demand_hello(client: Client[Owner], _message: object, _now: Now) -> None:
    """Close a client that sends anything else before `hello`."""
    client.closing = codes.HELLO_EXPECTED


def refuse_hello(client: Client[Owner], _message: Hello, _now: Now) -> None:
    """Refuse a second `hello`."""
    client.send_error(codes.OUT_OF_ORDER, "hello is the first message of a connection, and is sent once")
