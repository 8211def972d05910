"""How to reach Kafka: options for aiokafka's clients, a connection in bounded time, and errors in words.

Knows aiokafka and `KafkaSettings`; knows nothing of topics and records. All clients of a `KafkaLog` are made from the
same options, so what holds for one (TLS, SASL, timeouts) holds for all.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from touchline_protocol.errors import LogUnavailable, OperatorError
from touchline_server.config.tables import KafkaSettings

REQUEST_TIMEOUT_MS = 5_000
"""A broker that did not answer for so long is given up and asked again on a new connection. Longer than any wait that
is asked for (a fetch waits 250 ms), short enough that a dead network shows in `Log.problems` within seconds."""

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
"""Between tries to reach a broker: its restart takes seconds, and 2 s more of absence harm little."""

CLOSE_TIMEOUT_S = 1.0
"""For the farewell of a TLS connection, which the other side may owe us."""

LOG_EVERY_S = 10.0
"""aiokafka logs each failed try; what it says is in `Log.problems` too, so one line in so long is enough."""

OUTAGES = (KafkaError, OSError, TimeoutError, NotImplementedError)
"""What a request that could not be answered raises. ``OSError`` holds refused connections, DNS and TLS;
``NotImplementedError`` is aiokafka's where it shares no version of a request with the broker."""


class Retry:
    """Waits between tries, each twice as long as the one before it, up to `RETRY_MAX_S`."""

    def __init__(self) -> None:
        self._next_s = RETRY_FIRST_S

    async def wait(self) -> None:
        """Sleep before the next try."""
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, RETRY_MAX_S)
        await asyncio.sleep(delay_s)

    def reset(self) -> None:
        """A try succeeded: the next wait is the shortest again."""
        self._next_s = RETRY_FIRST_S


_send = AIOKafkaConnection.send


def _send_or_lost(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
    """aiokafka takes an `OSError` for a lost connection. uvloop, for a moment after one was lost, raises another.

    Put in its place for all of aiokafka, since the producer makes its connections itself: without it a sender, or a
    fetcher of ours, ended by what is an outage.
    """
    try:
        return _send(self, request, expect_response)
    except KafkaError:
        raise
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection is lost: {error}") from error


AIOKafkaConnection.send = _send_or_lost


def client_options(servers: Sequence[str], settings: KafkaSettings) -> dict[str, Any]:
    """The keyword arguments that aiokafka's clients, producers and admin clients have in common.

    Raises:
        OperatorError: a certificate or key file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(servers),
        "client_id": "touchline",
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }
    secured = "SSL" if settings.tls else "PLAINTEXT"
    options["security_protocol"] = f"SASL_{secured}" if settings.sasl_mechanism else secured
    if settings.tls:
        options["ssl_context"] = _ssl_context(settings)
    if settings.sasl_mechanism:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password
    return options


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file, settings.key_password)
    except OSError as error:  # an unreadable file as well as one that holds no certificate
        files = ", ".join(str(file) for file in (settings.ca_file, settings.cert_file, settings.key_file) if file)
        raise OperatorError(f"Kafka's TLS files ({files}) cannot be used: {error}") from error
    context.check_hostname = settings.tls_check_hostname
    return context


async def connect(options: dict[str, Any], timeout_s: float) -> AIOKafkaClient:
    """A client that has found the cluster. Tries again until ``timeout_s``: Kafka may be starting just now.

    Raises:
        OperatorError: nothing answered in time, or what answered refused us.
    """
    client = AIOKafkaClient(**options)
    try:
        await _bootstrap(client, options, timeout_s)
    except BaseException:
        await client.close()
        raise
    return client


async def _bootstrap(client: AIOKafkaClient, options: dict[str, Any], timeout_s: float) -> None:
    address = ",".join(options["bootstrap_servers"])
    why: BaseException | None = None
    retry = Retry()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    why = await _refusal(options)
                    if why is None:
                        await client.bootstrap()
                        return
                except ValueError as error:
                    raise OperatorError(f"{address!r} is no list of Kafka addresses, as host:9092: {error}") from error
                except OUTAGES as error:
                    why = error
                if _final(why):
                    raise OperatorError(f"Kafka at {address} refused the connection: {in_words(why)}") from why
                await retry.wait()
    except TimeoutError:
        reason = f" ({in_words(why)})" if why else ""
        raise LogUnavailable(
            f"no Kafka broker answered at {address} within {timeout_s:g} s{reason}: "
            "check the address, and tls and sasl_mechanism under [kafka]"
        ) from why


async def _refusal(options: dict[str, Any]) -> BaseException | None:
    """Why none of the addresses can be used; None if one can. A client's bootstrap logs the reasons and raises none."""
    rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    why: BaseException | None = None
    for host, port, _ in collect_hosts(options["bootstrap_servers"], randomize=False):
        connection = AIOKafkaConnection(host, port, **rest)
        try:
            await connection.connect()
        except KafkaError as error:
            why = error
        except OUTAGES as error:  # there is no connection that would have to be closed
            why = error
            continue
        else:
            why = None
        await asyncio.wait([connection.close()], timeout=CLOSE_TIMEOUT_S)
        if why is None or _final(why):
            break
    return why


def _final(error: BaseException) -> bool:
    """Whether trying again is useless: somebody has to change a password or a certificate."""
    return isinstance(error, SaslAuthenticationFailed | UnsupportedSaslMechanismError | ssl.SSLCertVerificationError)


def in_words(error: BaseException) -> str:
    """What went wrong, for an operator: aiokafka's errors carry numbers, and some of the others no text at all."""
    if isinstance(error, SaslAuthenticationFailed):
        return "the user name or the password is wrong"
    if isinstance(error, NodeNotReadyError):
        return "the broker cannot be reached"
    if isinstance(error, UnsupportedSaslMechanismError):
        return "it does not offer the configured sasl_mechanism"
    if isinstance(error, IncompatibleBrokerVersion | NotImplementedError):
        return "the broker is older than Kafka 3.1, which is the least that is needed"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted, {error.verify_message}; ca_file must name its authority"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


class _Seldom(logging.Filter):
    """Lets a message pass once in `LOG_EVERY_S`, whatever its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._passed_at.get(record.msg, -LOG_EVERY_S) < LOG_EVERY_S:
            return False
        self._passed_at[record.msg] = now
        return True


def quieten_logs() -> None:
    """Let aiokafka repeat a message only every `LOG_EVERY_S`. Called for each log; has its effect once."""
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Seldom) for one in logger.filters):
            logger.addFilter(_Seldom())
