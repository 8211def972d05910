"""A client's session in the hands of a test that plays the server: JSON, a long backoff, and no jitter."""

import msgspec

from touchline.session.backoff import Backoff
from touchline.session.items import Item
from touchline.session.outbox import Outcome, PendingAction
from touchline.session.session import Session
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action, ClientMessage, Hello, Limits, ServerMessage, Welcome

HEARTBEAT_MS = 1000
LIMITS = Limits(message_bytes_max=65_536, rooms_max=100)
ACTING = Limits(message_bytes_max=600, rooms_max=100, action_bytes_max=100, actions_window=4)
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=HEARTBEAT_MS, limits=LIMITS, time=0)
PLAYER = Welcome(session="s", edge="e", heartbeat_ms=0, limits=ACTING, time=0, player="ada")


def made(*, retry_first: bool = False, renews: bool = True, actions_max: int = 256) -> Session:
    return Session(
        JSON,
        agent="test",
        backoff=Backoff(1, 8),
        random=lambda: 1.0,
        retry_first=retry_first,
        actions_max=actions_max,
        can_renew_token=renews,
    )


def hear(client: Session, *said: ServerMessage, now_s: float = 0) -> list[Item]:
    for message in said:
        client.receive(JSON.encode(message), now_s)
    return [item for _, item in client.take_items()]


def opened(now_s: float = 0, limits: Limits = LIMITS) -> Session:
    client = made()
    open_again(client, now_s, msgspec.structs.replace(WELCOME, limits=limits))
    return client


def player(now_s: float = 0, *, actions_max: int = 256, renews: bool = True, unacked_max: int = 4) -> Session:
    """A session of a player's, who may have four actions on their way."""
    client = made(actions_max=actions_max, renews=renews)
    limits = msgspec.structs.replace(ACTING, actions_window=unacked_max)
    open_again(client, now_s, msgspec.structs.replace(PLAYER, limits=limits))
    return client


def open_again(client: Session, now_s: float = 0, welcome: Welcome = WELCOME) -> None:
    session = None if client.welcome is None else client.welcome.session
    client.connected(now_s)
    assert said(client) == [Hello(agent="test", session=session)]
    hear(client, welcome, now_s=now_s)


def come_back(client: Session, now_s: float = 0, welcome: Welcome = PLAYER) -> None:
    """Lose the connection and have another one, at once."""
    client.disconnected(now_s, 1006, "")
    client.tick(now_s + 8)
    open_again(client, now_s + 8, welcome)


def said(client: Session) -> list[ClientMessage]:
    return [JSON.decode_client(payload) for payload in client.take_output()]


def act(client: Session, *kinds: str) -> list[PendingAction]:
    return [client.act("score:1", kind, b"1") for kind in kinds]


def acted(client: Session) -> list[tuple[int, str, int | None]]:
    """The actions that go out now: id, kind and prev."""
    return [(said.id, said.kind, said.prev) for said in said(client) if isinstance(said, Action)]


def outcomes(client: Session) -> dict[str, Outcome]:
    """What became of actions since this was asked last, by their kind."""
    return {act.kind: outcome for act, outcome in client.take_outcomes()}
