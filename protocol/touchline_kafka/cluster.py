"""A Kafka cluster as our clients see it: where it is, how they prove who they are, and a connection in bounded time.

All clients of one `Cluster` share its options, so TLS, SASL and time limits hold for each of them. Before a client is
started, one of the addresses is tried by itself: aiokafka's clients log why they cannot connect, and raise nothing of
it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from aiokafka.conn import collect_hosts
from aiokafka.errors import KafkaError

from touchline_protocol.errors import LogUnavailable, OperatorError

from .access.client_options import client_options
from .access.connection import Connection
from .client import CONNECTION_OPTIONS, RELEASE_S, Client
from .errors import REQUEST_ERRORS, describe, is_refusal
from .repairs import Admin, Consumer
from .retry import Retry, reported_if_slow
from .security import Security

CONNECT_TIMEOUT_S = 10.0
"""Kafka may be starting just now; a broker is up in about 5 s."""
HINT = "tls and sasl_mechanism"
"""What to check besides the address when nothing answers."""


class _Startable(Protocol):
    async def start(self) -> None: ...

    async def release(self) -> None: ...


StartableT = TypeVar("StartableT", bound=_Startable)


class Cluster:
    """Makes clients for the brokers at ``servers`` (each ``host:port``), in the loop that runs.

    ``client_id`` is what brokers log of them. ``hint`` names what an operator should check when nothing answers.
    ``options`` are keyword arguments that all of aiokafka's clients take, and take precedence over ``security``.

    Raises:
        OperatorError: a certificate or key file cannot be used.
    """

    def __init__(
        self,
        servers: Sequence[str],
        security: Security | None = None,
        *,
        client_id: str = "touchline",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        hint: str = HINT,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        security = security or Security()
        self._address = ",".join(servers)
        self.rack = security.rack
        """The zone that this client is in."""
        self.connect_timeout_s = connect_timeout_s
        """How long `connect` and `consumer` try."""
        self._hint = hint
        self._options: dict[str, Any] = {
            "client_id": client_id,
            **client_options(security),
            **(options or {}),
            "bootstrap_servers": list(servers),
        }

    async def connect(self) -> Client:
        """A client that has found the cluster. Kafka may be starting just now, so it tries until the connect timeout.

        Raises:
            OperatorError: an address is wrong, or Kafka refused.
            LogUnavailable: nothing answered in time.
        """
        return await self._started(lambda: _made(Client, self._options))

    async def consumer(self, **options: Any) -> Consumer:
        """A consumer that has found the cluster, and reads nothing yet; see `connect`.

        Raises:
            OperatorError: also if aiokafka does not accept an option.
        """
        return await self._started(lambda: _made(Consumer, {**self._options, **options}))

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Admin]:
        """A client for topics and their configuration, after a single try.

        Raises:
            KafkaError, OSError, TimeoutError: the brokers do not answer.
        """
        admin = Admin(**self._options)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    async def _started(self, make: Callable[[], StartableT]) -> StartableT:
        problem: Exception | None = None
        retry = Retry()

        def waiting() -> str:
            why = f": no broker answers yet ({describe(problem)})" if problem else ""
            return f"connecting to Kafka at {self._address}, for at most {self.connect_timeout_s:g} s{why}"

        try:
            with reported_if_slow(waiting):
                async with asyncio.timeout(self.connect_timeout_s):
                    while True:
                        startable = make()
                        problem = await self._attempt(startable)
                        if problem is None:
                            return startable
                        if is_refusal(problem):
                            raise self._refused(problem) from problem
                        await retry.wait()
        except TimeoutError:
            raise self._no_answer(problem) from problem

    async def _attempt(self, startable: _Startable) -> Exception | None:
        """Start it, or release it and return why it could not be started."""
        try:
            problem = await self._connection_problem()
            if problem is None:
                await startable.start()
                return None
        except REQUEST_ERRORS as error:
            problem = error
        except BaseException:
            await startable.release()
            raise
        await startable.release()
        return problem

    def _refused(self, problem: Exception) -> OperatorError:
        return OperatorError(f"Kafka at {self._address} refused the connection: {describe(problem)}")

    def _no_answer(self, problem: Exception | None) -> LogUnavailable:
        reason = f" ({describe(problem)})" if problem else ""
        return LogUnavailable(
            f"no Kafka broker answered at {self._address} within {self.connect_timeout_s:g} s{reason}: "
            f"check the address, and {self._hint}"
        )

    async def _connection_problem(self) -> Exception | None:
        """Why none of the addresses can be used; None if one can."""
        options = {name: value for name, value in self._options.items() if name in CONNECTION_OPTIONS}
        problem: Exception | None = None
        for host, port, _ in self._hosts():
            connection = Connection(host, port, **options)
            try:
                await connection.connect()
            except KafkaError as error:
                problem = error
            except REQUEST_ERRORS as error:
                problem = error
                continue  # there is no connection to close
            else:
                problem = None
            await asyncio.wait([connection.close()], timeout=RELEASE_S)
            if problem is None or is_refusal(problem):
                break
        return problem

    def _hosts(self) -> list[tuple[str, int, Any]]:
        try:
            return list(collect_hosts(self._options["bootstrap_servers"], randomize=False))
        except ValueError as error:
            raise OperatorError(f"{self._address!r} is not a list of host:port addresses: {error}") from error


def _made(kind: Callable[..., StartableT], options: Mapping[str, Any]) -> StartableT:
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise OperatorError(f"the options of the Kafka client are wrong: {error}") from error
