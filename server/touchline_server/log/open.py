"""Creates the log that an address names. It is the only module that knows both implementations.

The one in Kafka is imported where an address needs it, since a server with an embedded log then starts sooner.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from touchline_kafka.address import SCHEME, servers_of
from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings
from touchline_server.core.log import Log, ReadBack
from touchline_server.core.room_store import RoomStore

from .kafka.partition_choice import PartitionChoice
from .sqlite.log import SqliteLog

SQLITE = "sqlite://"
FORMS = "kafka://host:port,host:port for Kafka, sqlite:///path/to/file for a file, or sqlite:// for memory"


def make_log(settings: Settings, *, url: str | None = None, only_read: bool = False) -> Log:
    """Create the log at ``url``, or at the address in the settings if that is None. It is not opened yet.

    If it is to be ``only_read``, nothing is created or changed: an embedded log is read as it is now.

    Raises:
        OperatorError: the address is invalid, or names a file that does not exist and would have to be created.
    """
    address = settings.log if url is None else url
    if address.startswith(SCHEME):
        from .kafka.log import KafkaLog  # noqa: PLC0415 - see above

        return KafkaLog(servers_of(address), settings.kafka)
    if address.startswith(SQLITE):
        path = existing_file(address) if only_read else log_file(address)
        return SqliteLog(path, settings.sqlite, key_fields_of(settings), private_copy=only_read)
    if not address:
        raise OperatorError("no log is given, and there is no home directory to keep one in: pass --log, or set HOME")
    raise OperatorError(f"{address!r} is not the address of a log: write {FORMS}")


def key_fields_of(settings: Settings) -> dict[str, str | None]:
    """The topics that an embedded log should have, and `Feed.key_field` of each."""
    key_fields = {feed.topic: feed.key_field for feed in settings.feeds.values()}
    return key_fields | dict.fromkeys(settings.own_topics.values())


def room_store(log: Log) -> RoomStore | None:
    """The store that knows the log's rooms from before the window; None if there is none."""
    return log if isinstance(log, SqliteLog) else None


async def open_log(
    log: Log,
    topics: Sequence[str],
    *,
    since_ms: int,
    from_start: Collection[str],
    read_back: ReadBack,
    choice: PartitionChoice | None,
) -> None:
    """Open a log, see `Log.open`; one in Kafka from the places of ``choice`` on, if there is one.

    Raises:
        OperatorError: as `Log.open`.
    """
    if choice is not None and not isinstance(log, SqliteLog):
        from .kafka.log import KafkaLog  # noqa: PLC0415 - see above

        if isinstance(log, KafkaLog):
            await log.open(topics, since_ms=since_ms, from_start=from_start, read_back=read_back, choice=choice)
            return
    await log.open(topics, since_ms=since_ms, from_start=from_start, read_back=read_back)


def existing_file(address: str) -> Path | None:
    """The file of an embedded log, None for memory.

    Raises:
        OperatorError: there is no such file.
    """
    path = log_file(address)
    if path is not None and not path.is_file():
        raise OperatorError(
            f"there is no log {path}: touchline serve, publish and topics --create make one, with the same --log"
        )
    return path


def log_file(address: str) -> Path | None:
    """The file of an address, None for memory. ``sqlite:///var/log.db`` is absolute, ``sqlite://log.db`` is not.

    Raises:
        OperatorError: it names a folder.
    """
    path = address.removeprefix(SQLITE)
    if not path:
        return None
    if path.endswith("/"):
        raise OperatorError(f"{address!r} names a folder, not a file: write {FORMS}")
    # Some programs write an absolute path with a second slash in front, such as "sqlite:////var/log.db".
    return Path(path if not path.startswith("//") else "/" + path.lstrip("/"))
