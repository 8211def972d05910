"""Sessions for tests that play the server: JSON, a long backoff, and no jitter."""

import msgspec

from touchline.session.items import Item
from touchline.session.pending_action import Outcome, PendingAction
from touchline.session.reconnect import Backoff
from touchline.session.session import Session
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action, ClientMessage, Hello, Limits, ServerMessage, Welcome

HEARTBEAT_MS = 1000
LIMITS = Limits(message_bytes_max=65_536, rooms_max=100)
ACTING = Limits(message_bytes_max=600, rooms_max=100, action_bytes_max=100, actions_window=4)
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=HEARTBEAT_MS, limits=LIMITS, time=0)
PLAYER = Welcome(session="s", edge="e", heartbeat_ms=0, limits=ACTING, time=0, player="ada")


def new_session(*, retry_first: bool = False, can_renew: bool = True, actions_max: int = 256) -> Session:
    return Session(
        JSON,
        agent="test",
        backoff=Backoff(1, 8),
        random=lambda: 1.0,
        retry_first=retry_first,
        actions_max=actions_max,
        can_renew_token=can_renew,
    )


def receive(client: Session, *messages: ServerMessage, now_s: float = 0) -> list[Item]:
    for message in messages:
        client.receive(JSON.encode(message), now_s)
    return [item for _, item in client.take_items()]


def open_session(now_s: float = 0, limits: Limits = LIMITS) -> Session:
    client = new_session()
    open_again(client, now_s, msgspec.structs.replace(WELCOME, limits=limits))
    return client


def player(now_s: float = 0, *, actions_max: int = 256, can_renew: bool = True, actions_window: int = 4) -> Session:
    """A player's session, with at most four actions on their way."""
    client = new_session(actions_max=actions_max, can_renew=can_renew)
    limits = msgspec.structs.replace(ACTING, actions_window=actions_window)
    open_again(client, now_s, msgspec.structs.replace(PLAYER, limits=limits))
    return client


def open_again(client: Session, now_s: float = 0, welcome: Welcome = WELCOME) -> None:
    session = None if client.welcome is None else client.welcome.session
    client.connected(now_s)
    assert sent(client) == [Hello(agent="test", session=session)]
    receive(client, welcome, now_s=now_s)


def come_back(client: Session, now_s: float = 0, welcome: Welcome = PLAYER) -> None:
    """Lose the connection, and get another one at once."""
    client.disconnected(now_s, 1006, "")
    client.tick(now_s + 8)
    open_again(client, now_s + 8, welcome)


def sent(client: Session) -> list[ClientMessage]:
    return [JSON.decode_client(payload) for payload in client.take_output()]


def act(client: Session, *kinds: str) -> list[PendingAction]:
    return [client.act("score:1", kind, b"1") for kind in kinds]


def sent_actions(client: Session) -> list[tuple[int, str, int | None]]:
    """The actions that are sent now: id, kind and prev."""
    return [(message.id, message.kind, message.prev) for message in sent(client) if isinstance(message, Action)]


def outcomes(client: Session) -> dict[str, Outcome]:
    """What became of actions since the last call, by their kind."""
    return {act.kind: outcome for act, outcome in client.take_outcomes()}
