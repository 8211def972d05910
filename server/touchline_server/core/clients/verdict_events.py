"""What the log reports of the topic of verdicts, and what becomes of the players' clients."""

from touchline_protocol.errors import BadRecord
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Effect, LogOutcome, Owner
from touchline_server.core.log import LogEvent, PartitionCaughtUp, ReadRefused, Records, TopicMissing, TopicOpened
from touchline_server.core.players.access import Access
from touchline_server.core.players.verdicts import WHOLE_TOPIC
from touchline_server.core.rooms.old_records import Skip

from .client import Client


def take_verdict_event(access: "Access[Client[Owner]]", event: LogEvent, now: Now) -> LogOutcome[Owner]:
    """Take in what the log reports of the topic of verdicts. Records that are not verdicts are skipped."""
    verdicts = access.verdicts
    if isinstance(event, TopicOpened | TopicMissing):
        verdicts.clear()
        verdicts.unread = set(event.offline) if isinstance(event, TopicOpened) else set()
    elif isinstance(event, ReadRefused):
        verdicts.unread = {WHOLE_TOPIC}
    elif isinstance(event, PartitionCaughtUp):
        verdicts.unread.discard(event.partition)
    if not isinstance(event, Records):
        return LogOutcome()
    skips: list[Skip] = []
    effects: list[Effect[Owner]] = []
    for record in event.records:
        try:
            enforced = verdicts.apply(record, now)
        except BadRecord as error:
            skips.append(Skip(event.topic, event.partition, record.offset, error.reason, str(error)))
            continue
        if enforced is None:
            continue
        for client in list(access.clients_of(enforced.player)):
            client.enforce(enforced.verdict)
            effects += client.take_effects(now)
    return LogOutcome(skips, effects)
