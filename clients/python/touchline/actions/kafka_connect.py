"""How to reach Kafka: an address and options for aiokafka's consumers, a start in bounded time, and errors in words."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from touchline_protocol.errors import LogUnavailable, OperatorError

SCHEME = "kafka://"
PORT_MAX = 0xFFFF

SETTINGS = "security_protocol and sasl_mechanism in kafka_options"
"""What says how to reach Kafka, besides its address, to who calls `touchline.actions.read`."""
CONNECT_TIMEOUT_S = 10.0
"""Kafka may be starting just now; a broker is up in about 5 s."""
CLOSE_TIMEOUT_S = 1.0
"""For a consumer that never was connected."""
RETRY_S = 0.5
"""Between two tries to connect."""

OUTAGES = (KafkaError, OSError, TimeoutError)
"""What a request that was not answered raises; ``OSError`` holds refused connections, DNS and TLS."""
REFUSALS = (
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    ssl.SSLCertVerificationError,
)
"""What would come again at each try, until an operator has changed something."""

DEFAULTS: Mapping[str, Any] = {
    "client_id": "touchline-actions",
    # How soon added partitions are noticed.
    "metadata_max_age_ms": 30_000,
    # How soon the other readers of a group notice that one came or left, and stop for the new assignment.
    "heartbeat_interval_ms": 1_000,
    # How soon a killed reader's partitions are taken over.
    "session_timeout_ms": 10_000,
    # How long the group waits for a reader that is busy. Must be less than aiokafka's request timeout, 40 s.
    "rebalance_timeout_ms": 30_000,
    # What a partition that begins to be read can wait for, as one request is out at a time.
    "fetch_max_wait_ms": 250,
    # Of one answer: some 30,000 actions.
    "fetch_max_bytes": 8 << 20,
}
OURS: Mapping[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
}
"""What the promises rest on, so nobody else sets it."""
_TAKEN = frozenset((*OURS, "bootstrap_servers", "group_id", "key_deserializer", "value_deserializer"))
_CONNECTING = frozenset(
    (
        "client_id",
        "security_protocol",
        "ssl_context",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    )
)


_send = AIOKafkaConnection.send


def _send_or_lost(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
    """aiokafka takes an `OSError` for a lost connection. uvloop, for a moment after one was lost, raises another.

    Put in its place for all of aiokafka, since a consumer makes its connections itself: without it the consumer's own
    tasks ended by what is an outage.
    """
    try:
        return _send(self, request, expect_response)
    except KafkaError:
        raise
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection is lost: {error}") from error


AIOKafkaConnection.send = _send_or_lost


def consumer_options(url: str, group: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the consumers.

    Raises:
        OperatorError: the address is wrong, or ``options`` has what is not for others to set.
    """
    taken = sorted(_TAKEN.intersection(options))
    if taken:
        raise OperatorError(f"kafka_options must not have {taken[0]}: reading each action once rests on it")
    return {**DEFAULTS, **options, **OURS, "bootstrap_servers": _servers(url), "group_id": group}


def _servers(url: str) -> Sequence[str]:
    servers = [server.strip() for server in url.removeprefix(SCHEME).rstrip("/").split(",")]
    for server in servers:
        host, colon, port = server.rpartition(":")
        right = host and colon and port.isdecimal() and 0 < int(port) <= PORT_MAX
        if not (url.startswith(SCHEME) and right) or "/" in server or "@" in server:
            raise OperatorError(f"{url!r} is no address of Kafka: write kafka://host:port,host:port")
    return servers


async def started_consumer(options: Mapping[str, Any], settings: str = SETTINGS) -> AIOKafkaConsumer:
    """A consumer that has found the cluster, and reads nothing yet. ``settings``: what to check where nobody answers.

    Raises:
        OperatorError: the options are wrong, or Kafka refuses.
        LogUnavailable: nothing answered within `CONNECT_TIMEOUT_S`.
    """
    address = ",".join(options["bootstrap_servers"])
    why: BaseException | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            while True:
                consumer = _consumer(options)
                try:
                    await consumer.start()
                except BaseException as error:
                    await stop_consumer(consumer, CLOSE_TIMEOUT_S)
                    if not isinstance(error, OUTAGES):
                        raise
                    why = await _reason(options) or error
                else:
                    return consumer
                if isinstance(why, REFUSALS):
                    raise OperatorError(f"Kafka at {address} refused the connection: {in_words(why)}") from why
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        reason = f" ({in_words(why)})" if why else ""
        raise LogUnavailable(
            f"no Kafka broker answered at {address} within {CONNECT_TIMEOUT_S:g} s{reason}: "
            f"check the address, and {settings}"
        ) from why


async def stop_consumer(consumer: AIOKafkaConsumer, timeout_s: float) -> bool:
    """Stop a consumer in bounded time; whether it could do all that belongs to it, as to leave its group.

    aiokafka's own way out waits for what is asked of Kafka, and ends half-way, with a CancelledError that nobody asked
    for, where a fetch is about to be tried again.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    done, _ = await asyncio.wait([stopping], timeout=timeout_s)
    if not done:
        await consumer._client.close()  # whatever it waits for is broken off
    await asyncio.gather(stopping, return_exceptions=True)
    await consumer._client.close()
    return bool(done)


def _consumer(options: Mapping[str, Any]) -> AIOKafkaConsumer:
    try:
        return AIOKafkaConsumer(**options)
    except (TypeError, ValueError) as error:
        raise OperatorError(f"kafka_options are wrong: {error}") from error


async def _reason(options: Mapping[str, Any]) -> BaseException | None:
    """Why none of the addresses can be used. A consumer's start logs the reasons and raises none of them."""
    rest = {name: value for name, value in options.items() if name in _CONNECTING}
    why: BaseException | None = None
    for server in options["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host, int(port), **rest)
        except OUTAGES as error:
            why = error
        else:
            connection.close()
            return None
    return why


def in_words(error: BaseException) -> str:
    """What went wrong, for an operator."""
    if isinstance(error, SaslAuthenticationFailed):
        return "the user name or the password is wrong"
    if isinstance(error, UnsupportedSaslMechanismError):
        return "it does not offer that sasl_mechanism"
    if isinstance(error, GroupAuthorizationFailedError):
        return "this user may not read in that consumer group"
    if isinstance(error, TopicAuthorizationFailedError):
        return "this user may not read that topic"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted, {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
