"""The edge's server: accepts connections for a core, and drains them when it stops.

It puts together what the core needs of the outside: the driver, the replayer and the appender. It decides nothing.
"""

import asyncio
import contextlib
import os
import random
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

import structlog

from touchline_server.config.drain import drain_time_s
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.core.edge import EdgeCore
from touchline_server.core.liveness import LINGER_MS
from touchline_server.core.log import Log
from touchline_server.core.players.player_store import PlayerStore
from touchline_server.core.room_store import RoomStore
from touchline_server.core.rooms.old_records import Skip
from touchline_server.tracing.port import Tracer

from .appender import Appender
from .certificate import Certificate
from .connection import Connection
from .context import Context, RecentEnd
from .driver import Driver, Peer
from .entrance import Entrance
from .player_sync import PlayerSync
from .proxy_front import ProxyFront
from .replayer import Replayer
from .tls import TlsLayer

BACKLOG = 4096
"""Connections that the kernel holds until they are accepted: thousands may come at once after an edge was restarted."""

DRAIN_PROGRESS_EVERY_S = 2.0
"""How often a line says how far a drain has come."""

RECENT_ENDS_MAX = 50
"""Ends of connections that are remembered for operators."""

NOTSENT_LOWAT_BYTES = 64 * 1024
"""TCP_NOTSENT_LOWAT: what a client has not taken waits here as a cursor, not in the kernel as stale bytes."""

logger = structlog.get_logger("touchline.edge")


class EdgeServer:
    """All client connections of this process.

    ``core`` must not be used by another server. ``report`` is given stored records that make no event. ``players`` is
    None if no players are shared with other workers.
    """

    def __init__(
        self,
        settings: Settings,
        core: EdgeCore[Peer],
        log: Log,
        store: RoomStore | None,
        report: Callable[[Sequence[Skip]], None],
        players: PlayerStore | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.core = core
        self._settings = settings
        self._replayer = Replayer(log, store, report)
        self._appender = Appender(log, settings.actions.topic)
        arrivals = core.arrivals
        self._player_sync = None if players is None or arrivals is None else PlayerSync(players, arrivals)
        exchange = None if self._player_sync is None else self._player_sync.wake
        self.driver = Driver(core, ask=self._replayer.ask, append=self._appender.wake, exchange=exchange, tracer=tracer)
        driver = self.driver
        self._entrance = entrance = Entrance(core, settings, driver.now, random.random, driver.wake)
        self.recent_ends: deque[RecentEnd] = deque(maxlen=RECENT_ENDS_MAX)
        self._context = Context(
            core, entrance, driver.now, driver.perform, driver.wake, self._lost, count(1).__next__, self._ended
        )
        self._certificate = Certificate(settings.tls)
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Serve on a bound socket, whose options the sockets that it accepts inherit."""
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        self._replayer.start(self.driver)
        can_act = self.core.access.verify is not None  # without keys nobody can
        await self._appender.start(self.driver, expected=can_act)
        if self._player_sync is not None:
            self._player_sync.start(self.driver)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=listening, backlog=BACKLOG)
        self._certificate.start()
        self.driver.start()

    def reload(self, settings: Settings) -> None:
        """Use other settings from now on, for clients that are connected as far as that can be done.

        Raises:
            OperatorError: the certificate or its key cannot be used. Nothing has changed.
        """
        self._certificate.reload(settings.tls)
        self._settings = settings
        self._entrance.reload(settings)
        admission = settings.admission
        if admission.connections_per_address_max or admission.connects_per_address_per_second_max:
            for connection in self.core.owners:
                if isinstance(connection, Connection):
                    self.core.admission.count(connection, self._entrance.network_of(connection))

    async def drain(self) -> None:
        """Send the clients elsewhere, spread over the drain time, and take no more connections.

        During ``drain_grace_s`` everything goes on as before, except that the edge is not ready: a client that a load
        balancer still sends here is served, and one that was sent away never comes back here.
        """
        driver, core, settings = self.driver, self.core, self._settings
        core.announce_drain()
        grace_s = settings.drain_grace_s if self._server is not None else 0.0
        drain_s = drain_time_s(settings.drain_s, core.connections)
        logger.info("drain_started", connections=core.connections, drain_s=round(drain_s, 1), grace_s=grace_s)
        await asyncio.sleep(grace_s)
        await self._stop_accepting()
        drain_s = drain_time_s(settings.drain_s, core.connections)
        driver.perform(core.drain(milliseconds(drain_s), driver.now()))
        progress = asyncio.create_task(self._log_progress())
        await self._until_empty(drain_s)
        progress.cancel()

    async def stop(self) -> None:
        """Answer the actions that wait, and close the clients that are left. To be called after `drain`."""
        driver, core = self.driver, self.core
        await self._appender.stop(driver)
        driver.perform(core.close_all(driver.now()))
        await self._until_empty(LINGER_MS / 1000)
        logger.info("drain_finished", cut_connections=core.connections)
        for connection in core.owners:
            connection.abort()
        if self._player_sync is not None:
            await self._player_sync.stop(driver)
        driver.stop()
        self._certificate.stop()
        await self._replayer.stop()

    async def _stop_accepting(self) -> None:
        """Accept the connections that the kernel holds for us already, and no more.

        Closing the listening socket would reset them, although they could be answered. A connection whose TCP handshake
        is under way in this moment is still reset, unless other workers listen on the port and the kernel may hand it
        on (``net.ipv4.tcp_migrate_req``).
        """
        if self._server is None or not self._server.sockets:
            return
        loop = asyncio.get_running_loop()
        with socket.socket(fileno=os.dup(self._server.sockets[0].fileno())) as listening:
            self._server.close()
            for _ in range(BACKLOG):
                try:
                    accepted, _ = listening.accept()
                except OSError:  # nothing is queued any more, or no file can be opened for it
                    break
                await loop.connect_accepted_socket(self._accept, accepted)

    def _accept(self) -> asyncio.Protocol:
        connection = Connection(self._context)
        tls = self._certificate.tls
        inner = connection if tls is None else TlsLayer(tls, connection)
        if self._settings.admission.proxy_protocol:
            return ProxyFront(self._entrance, connection, inner)
        return inner

    def _lost(self, connection: Peer) -> None:
        self.core.lost(connection, self.driver.now())
        if not self.core.connections:
            self._empty.set()

    def _ended(self, end: RecentEnd) -> None:
        self.core.counters.connections.ended[end.by, end.code] += 1
        self.recent_ends.append(end)

    async def _log_progress(self) -> None:
        while True:
            await asyncio.sleep(DRAIN_PROGRESS_EVERY_S)
            logger.info("drain_progress", connections=self.core.connections)

    async def _until_empty(self, timeout_s: float) -> None:
        self._empty.clear()
        if self.core.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)
