"""Reading what players did: each action once, a player's in order.

    async with touchline.actions.read("kafka://localhost:9092", group="my-game") as actions:
        async for action in actions:
            print(action.player, action.kind, action.data)

Readers of one ``group`` share the partitions of the topic. So a name belongs to one application: if two use the same
one (cheatwatch has ``cheatwatch``), each misses what the other gets. An edge may write an action twice (its append was
not confirmed, so the client sent it again); the duplicate is not handed out. Precisely:

- **Asking for the next action says that the one before it is processed.** That is committed within ``commit_s``, when
  partitions move to another reader, and at the end. An action that was not asked beyond is never committed.
- **A clean end or a rebalance hands out nothing twice**, if the last action in hand was asked beyond, or `processed`
  was called after it. Leaving the ``async with``, in whichever way, says nothing about the action in hand.
- **After a crash**, what was handed out and not committed is handed out again: what was processed within the last
  ``commit_s`` (longer if Kafka did not take commits), and what was in hand. Nothing else is. The same goes for a
  reader that Kafka took for dead (its loop was blocked for ``session_timeout_ms``), and for one that kept an action in
  hand for longer than two thirds of ``rebalance_timeout_ms`` while its partitions had to move.
- **Duplicates are recognised across restarts and readers**: before it hands out from the committed offset, a reader
  reads back as far as two duplicates can be apart, `LOOK_BACK_S` of record time. `dedup` has what is remembered of a
  session, and its bounds.
- **No action is mistaken for a duplicate**, whatever ids a cheater makes up, and at whichever edges. Duplicates are
  told by (player, session, id) alone: of two actions under one id the first counts. Only a player that jumps about
  between far-apart ids can have its own duplicates handed out again (`dedup`).
- A record that does not hold an action is counted (``skipped``), logged with its place, and skipped.
- **A log that was cut back is read again from there.** After an unclean election, a power cut or a broker that was
  restored from a copy, other actions have the offsets of those that were read. The reader finds out where the logs
  diverge, warns with both offsets, and continues there. Its memory of duplicates is built from the new log: so an
  action that was lost and is sent again is handed out again, as it would be by a reader that starts now. Nothing is
  left out; actions that were handed out before they were lost are not taken back. For this the reader commits the
  topic's id and the leader epoch as the metadata of its offsets. Offsets that other programs committed, without it,
  count as they are.
- **Partitions may be added**, but the order of a player that moves is lost: its older actions may be handed out after
  newer ones, since two partitions have no common order. The reader notices at once, logs an error with the number of
  actions that have moved, and reads `LOOK_BACK_S` of all partitions: so an action that is sent again to its new
  partition is not handed out again. One exception: an action that an edge which has not noticed yet writes to the old
  partition, while another one already wrote it to the new one, is handed out twice. To lose no order, stop the edges
  (or what acts), let the readers catch up, add the partitions, and start again.
- **Not noticed** while the reader runs: a topic that was deleted and created again within seconds, with as many records
  as had been read. Then reading continues at the old offsets. A topic that stays deleted ends the iteration with an
  error.

`ActionSource` is the interface alone, for reading from elsewhere; it, `Action` and `action_of` need no Kafka client.
Kafka needs ``pip install 'touchline[kafka]'``.
"""

from collections.abc import Mapping
from typing import Any, Literal

from touchline_kafka.security import Security
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import ACTION_RESEND_S_MAX

from .action import Action, action_of
from .dedup import SESSIONS_MAX
from .source import ActionSource

__all__ = ["LOOK_BACK_S", "TOPIC", "Action", "ActionSource", "Security", "action_of", "read"]

TOPIC = "player-actions"
"""Where edges write actions unless they are configured otherwise."""

APPEND_S_MAX = 30
"""How long an append may take until its record is in the log: edges give up far earlier."""

CLOCKS_S_MAX = 30
"""How far the clocks of two edges may be apart; the records' times come from them."""

LOOK_BACK_S = ACTION_RESEND_S_MAX + APPEND_S_MAX + CLOCKS_S_MAX
"""How far apart the duplicates of one action can be, in record time."""


def read(
    url: str,
    *,
    group: str,
    topic: str = TOPIC,
    start: Literal["end", "beginning"] = "end",
    commit_s: float = 1.0,
    look_back_s: float = LOOK_BACK_S,
    sessions_max: int = SESSIONS_MAX,
    security: Security | None = None,
    kafka_options: Mapping[str, Any] | None = None,
) -> ActionSource:
    """Read the actions at ``url``, such as ``kafka://host:port,host:port``, in a consumer group; for ``async with``.

    ``start`` is where a group begins that never read before: at the end, since what was done before anybody watched is
    seldom worth a verdict now, or at the beginning of what Kafka keeps. Partitions that are added later are read from
    their beginning. ``commit_s`` is how often what was processed is committed, in seconds. ``sessions_max`` bounds what
    is remembered of each partition (`dedup`). ``security`` is about TLS and SASL. ``kafka_options`` go to aiokafka's
    consumer as they are: ``rebalance_timeout_ms``, ``session_timeout_ms``, ``sasl_oauth_token_provider``, …

    Entering waits until this reader is a member of the group and knows its partitions.

    Raises:
        OperatorError: aiokafka is not installed; an argument is wrong. On entering: the topic does not exist, or Kafka
            refuses. While reading: the topic was deleted, or Kafka refuses from now on.
        LogUnavailable: on entering: Kafka does not answer. If Kafka goes away later, the reader waits for it.
    """
    try:
        from .kafka import KafkaActions  # noqa: PLC0415 - only readers of Kafka need its client
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiokafka":
            raise
        raise OperatorError("reading from Kafka needs aiokafka: pip install 'touchline[kafka]'") from error
    return KafkaActions(
        url,
        group=group,
        topic=topic,
        start=start,
        commit_s=commit_s,
        look_back_ms=round(look_back_s * 1000),
        sessions_max=sessions_max,
        security=security or Security(),
        options=kafka_options or {},
    )
