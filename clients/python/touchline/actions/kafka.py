"""Reading actions from Kafka: `source.ActionSource` over `touchline_kafka.group`.

The only module of the SDK that needs aiokafka, so `touchline.actions.read` imports it when it is called.
"""

from collections.abc import Mapping
from typing import Any, Literal

from touchline.errors import ClientClosed
from touchline_kafka.address import servers_of
from touchline_kafka.client import CONNECTION_OPTIONS
from touchline_kafka.cluster import CONNECT_TIMEOUT_S, Cluster
from touchline_kafka.group.reader import GroupReader
from touchline_kafka.security import Security

from .action import Action, action_of
from .dedup import Dedup

CLIENT_ID = "touchline-actions"
HINT = "the arguments security and kafka_options"
"""What a caller checks, besides the address, when no broker answers."""


class KafkaActions(GroupReader[Action]):
    """See `touchline.actions.read`, which makes it, and `source.ActionSource`."""

    closed_error = ClientClosed

    def __init__(
        self,
        url: str,
        *,
        group: str,
        topic: str,
        start: Literal["end", "beginning"],
        commit_s: float,
        look_back_ms: int,
        sessions_max: int,
        security: Security,
        options: Mapping[str, Any],
    ) -> None:
        connection = {name: value for name, value in options.items() if name in CONNECTION_OPTIONS}
        super().__init__(
            Cluster(
                servers_of(url),
                security,
                client_id=CLIENT_ID,
                connect_timeout_s=CONNECT_TIMEOUT_S,
                hint=HINT,
                options=connection,
            ),
            group=group,
            topic=topic,
            decode=action_of,
            new_memory=lambda: Dedup(look_back_ms, sessions_max),
            look_back_ms=look_back_ms,
            start=start,
            commit_s=commit_s,
            options={name: value for name, value in options.items() if name not in CONNECTION_OPTIONS},
        )
