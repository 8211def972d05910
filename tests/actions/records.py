"""Records of players' actions, as edges write them."""

from typing import Any, NamedTuple

import msgspec

from touchline_protocol.actions import ActionRecord, action_headers, encode_action


class Written(NamedTuple):
    """A record of the log: what `touchline_protocol.records.Record` asks for."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def action_record(
    player: str,
    action_id: int,
    *,
    session: str = "s",
    data: Any = None,
    received_ms: int = 0,
    edge: str = "edge1",
    clock: str = "",
) -> ActionRecord:
    raw = msgspec.Raw(msgspec.json.encode(data))
    return ActionRecord(player, "match:1", "tap", raw, session, action_id, received_ms, edge, clock)


def written(offset: int, action: ActionRecord) -> Written:
    headers = tuple(action_headers(action))
    return Written(offset, action.received_ms, action.player.encode(), encode_action(action), headers)
