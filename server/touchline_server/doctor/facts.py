"""What the doctor learns of Kafka, Redis and the machine. Values only: None, or an empty set, is "not known"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_kafka.metadata.operations import Operation


class Trouble(NamedTuple):
    """Why a system gave no answer. ``is_refusal``: it answered, and its answer stays the same until somebody acts."""

    text: str
    is_refusal: bool


class TopicFacts(NamedTuple):
    """One topic.

    ``trouble`` is why Kafka does not tell more about it. ``without_leader`` and ``out_of_sync`` are partitions.
    ``replicas`` is the smallest number of copies of a partition. ``allowed`` is what this user may do; None if Kafka
    does not tell. ``options`` are the topic's, by Kafka's names. ``newest_ms`` is the highest timestamp of its newest
    records (Unix), ``oldest_ms`` that of the first records of partitions from which Kafka has deleted some.
    """

    partitions: int = 0
    trouble: Trouble | None = None
    is_missing: bool = False
    without_leader: tuple[int, ...] = ()
    out_of_sync: tuple[int, ...] = ()
    replicas: int = 0
    allowed: frozenset[Operation] | None = None
    options: Mapping[str, str] = {}
    newest_ms: int | None = None
    oldest_ms: int | None = None


class KafkaFacts(NamedTuple):
    """A cluster. With a ``trouble`` nothing else is known, except for ``port_has_tls``.

    That is whether the first port that takes connections has TLS; None if none does. ``racks`` are those that brokers
    are in. ``clock_off_s`` is how far the controller's clock is ahead of this machine's, ``round_trip_s`` how sure that
    is.
    """

    trouble: Trouble | None = None
    port_has_tls: bool | None = None
    brokers: int = 0
    racks: frozenset[str] = frozenset()
    topics: Mapping[str, TopicFacts] = {}
    creates_topics: bool | None = None
    """Whether a broker creates each topic that a client names."""
    now_ms: int = 0
    """When it was asked (Unix)."""
    group_trouble: Trouble | None = None
    """Why keepers could not use their consumer group."""
    clock_off_s: float | None = None
    round_trip_s: float = 0.0


class RedisServer(NamedTuple):
    """One server: each primary of a Cluster."""

    version: tuple[int, ...] = ()
    policy: str | None = None
    """Its ``maxmemory-policy``."""
    memory_max_bytes: int = 0
    """0: no limit."""
    memory_used_bytes: int = 0
    role: str | None = None


class RedisFacts(NamedTuple):
    """The Redis of a fleet. With a ``trouble`` nothing else is known.

    ``refused`` has the commands that the user may not use, as edges do, and why. ``clock_off_s`` is how far its clock
    is ahead of this machine's, ``round_trip_s`` how sure that is.
    """

    trouble: Trouble | None = None
    servers: Sequence[RedisServer] = ()
    refused: Mapping[str, str] = {}
    clock_off_s: float | None = None
    round_trip_s: float = 0.0


class LogFileFacts(NamedTuple):
    """An embedded log: its file, None for memory, and why it cannot be used."""

    path: Path | None = None
    trouble: str | None = None


class CertificateFacts(NamedTuple):
    """A certificate: until when it is valid (Unix, seconds), and the names and addresses that it is for (its
    subjectAltName)."""

    trouble: str | None = None
    ends_s: float | None = None
    names: tuple[str, ...] = ()


class MachineFacts(NamedTuple):
    """This machine, or container, as this process sees it."""

    cpus: int
    memory_bytes: int
    open_files_max: int
    """The hard limit of this process; -1: none."""
    listen_backlog_max: int | None = None
    """``net.core.somaxconn``"""
    syn_backlog_max: int | None = None
    """``net.ipv4.tcp_max_syn_backlog``"""
    files_max: int | None = None
    """``fs.file-max``, of the whole machine."""
    now_s: float = 0.0
    """Unix."""
    certificate: CertificateFacts | None = None
