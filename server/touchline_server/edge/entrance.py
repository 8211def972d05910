"""Answers opening requests: lets a client in, as a WebSocket or as an event stream, or refuses it.

One entrance serves all connections of an edge. `handshake` and `event_stream` decide about a request; this module asks
the core, writes the response and logs a refusal.
"""

import http
from collections.abc import Callable
from typing import Protocol

from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import RoomRequest
from touchline_protocol.server_codecs import EVENT_STREAM
from touchline_server.config.settings import Settings
from touchline_server.core.admission.limits import Excess, Limit
from touchline_server.core.clients.client import Client
from touchline_server.core.clocks import Now
from touchline_server.core.edge import EdgeCore
from touchline_server.core.players.grants import Grant, TokenRefused
from touchline_server.web.addresses import Endpoint, Networks, network_of
from touchline_server.web.forwarded import client_of
from touchline_server.web.policy import HOST_REFUSED, ORIGIN_REFUSED

from . import client_log
from .driver import Peer
from .requests import event_stream, handshake
from .requests.opening import Opening, break_cycles, forget_request

_STATUS = {
    codes.UNKNOWN_FEED: http.HTTPStatus.NOT_FOUND,
    codes.UNAVAILABLE: http.HTTPStatus.SERVICE_UNAVAILABLE,
    codes.FORBIDDEN: http.HTTPStatus.FORBIDDEN,
    codes.MEMBERS_FORBIDDEN: http.HTTPStatus.FORBIDDEN,
    codes.TOO_MANY_PLAYER_CONNECTIONS: http.HTTPStatus.TOO_MANY_REQUESTS,
}
"""How a stream is refused; everything else is a bad request."""


_OVER_LIMIT = (codes.UNAVAILABLE.code, codes.TOO_MANY_CONNECTIONS.code)
"""Codes of refusals that may be for a limit of connections."""


class Newcomer(Peer, Protocol):
    """A connection, as the entrance needs it."""

    number: int
    speaks_for_itself: bool
    """A trusted proxy has said, by the PROXY protocol, that it names no client. Nor may a request name one."""

    def begin(self, codec: Codec, presented: Grant | None) -> Client[Peer]:
        """The handshake is done: become a client."""

    def turn_away(self) -> None:
        """The client that `begin` made is not let in after all."""

    def become_stream(self, head: bytes) -> None:
        """Write the head of an event stream, and go on without HTTP."""

    def write_out(self, protocol: ServerProtocol) -> None:
        """Write what websockets has to write."""

    def set_endpoint(self, endpoint: Endpoint | None) -> None:
        """A trusted proxy names the client; None if it speaks for itself."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The client's address, as far as it is known."""

    @property
    def address(self) -> str | None:
        """The same for the log."""


class Entrance:
    """Answers the opening requests of one edge. ``random`` returns numbers from 0 to 1."""

    def __init__(
        self,
        core: EdgeCore[Peer],
        settings: Settings,
        now: Callable[[], Now],
        random: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._core = core
        self._settings = settings
        self._policy = handshake.web_policy(settings)
        self._trusted = Networks(settings.admission.trusted_proxies)
        self._now = now
        self._random = random
        self._wake = wake

    def reload(self, settings: Settings) -> None:
        """Use other settings for the requests that come from now on."""
        self._settings = settings
        self._policy = handshake.web_policy(settings)
        self._trusted = Networks(settings.admission.trusted_proxies)

    def opening(self) -> Opening:
        """The parser of a connection's request."""
        return Opening(self._settings)

    def answer(self, newcomer: Newcomer, protocol: ServerProtocol, request: Request) -> None:
        """Answer a request."""
        if self._trusted and self._is_named_later(newcomer) and not self._identify(newcomer, request):
            return
        if event_stream.is_for_stream(request):
            self._open_stream(newcomer, protocol, request)
        else:
            self._open_websocket(newcomer, protocol, request)

    def arrive(self, newcomer: Newcomer) -> None:
        """A connection was accepted. It is cut if it cannot even be refused by an answer."""
        self._core.counters.connections.accepted += 1
        if not self._core.accepted(newcomer, self._now()):
            self._cut_off(newcomer, Excess(Limit.CONNECTIONS))
            newcomer.abort()
        elif not self._trusted or not self.is_trusted(newcomer.endpoint):
            self._admit(newcomer)

    def located(self, newcomer: Newcomer) -> bool:
        """A trusted proxy named a connection's client. Returns whether the connection was kept, if only to be answered.

        If the client is a trusted proxy too, the request says for whom it is.
        """
        return self._is_named_later(newcomer) or self._admit(newcomer)

    def _is_named_later(self, newcomer: Newcomer) -> bool:
        """Whether a trusted proxy names the client of a connection in the request."""
        return self.is_trusted(newcomer.endpoint) and not newcomer.speaks_for_itself

    def is_trusted(self, endpoint: Endpoint | None) -> bool:
        """Whether an address is a trusted proxy's."""
        return endpoint is not None and endpoint.host in self._trusted

    def network_of(self, newcomer: Newcomer) -> str | None:
        """What a connection counts by; None if it counts for nobody: a proxy that speaks for itself."""
        endpoint = newcomer.endpoint
        return None if endpoint is None or endpoint.host in self._trusted else network_of(endpoint.host)

    def _identify(self, newcomer: Newcomer, request: Request) -> bool:
        """Find the client of a request from a trusted proxy. Returns whether the connection was kept."""
        header = self._settings.admission.client_address_header
        client, bad = client_of(request.headers.get_all(header), header, self._trusted)
        if bad is not None:
            client_log.client_address_invalid(newcomer.number, header, bad, newcomer.address)
        newcomer.set_endpoint(client)
        return self._admit(newcomer)

    def _admit(self, newcomer: Newcomer) -> bool:
        core = self._core
        per_address = core.limits.admission.are_per_address
        if core.admission.admit(newcomer, self.network_of(newcomer) if per_address else None, self._now().loop_ms):
            return True
        if (excess := core.admission.excess(newcomer)) is not None:
            self._cut_off(newcomer, excess)
        newcomer.abort()
        return False

    def _cut_off(self, newcomer: Newcomer, excess: Excess) -> None:
        self._core.counters.connections.refused[excess.limit.value] += 1
        self._log_excess(newcomer, "cut", excess)

    def _log_excess(self, newcomer: Newcomer, code: str, excess: Excess) -> None:
        if excess.limit is Limit.CONNECTIONS:
            client_log.full(newcomer.number, code, self._core.connections, self._settings.connections_max)
        elif excess.limit is not Limit.DRAINING:
            client_log.limited(newcomer.number, code, excess, newcomer.address)

    def _open_websocket(self, newcomer: Newcomer, protocol: ServerProtocol, request: Request) -> None:
        refusal = handshake.refuse(request, self._policy, self._over_limit(newcomer))
        presented, code = None, "" if refusal is None else refusal.code
        try:
            presented = self._presented(request) if refusal is None else None
        except TokenRefused as refused:
            response, code = handshake.unauthorized(protocol, refused), refused.code.code
        else:
            response = protocol.accept(request) if refusal is None else handshake.rejection(protocol, refusal)
        self._respond(newcomer, protocol, request, response, code)
        if protocol.state is OPEN:
            forget_request(protocol)
            newcomer.begin(handshake.codec_of(protocol), presented)

    def _open_stream(self, newcomer: Newcomer, protocol: ServerProtocol, request: Request) -> None:
        policy, random = self._policy, self._random
        if request.method == "OPTIONS":
            self._respond(newcomer, protocol, request, event_stream.preflight(request, policy))
            return
        try:
            wanted = event_stream.read(request, policy, self._over_limit(newcomer))
            client = self._watch(newcomer, wanted, self._presented(request))
        except TokenRefused as refused:
            response = event_stream.unauthorized(request, refused, policy, random)
            self._respond(newcomer, protocol, request, response, refused.code.code)
            return
        except event_stream.Refused as refused:
            response = event_stream.refusal(request, refused, policy, random)
            self._respond(newcomer, protocol, request, response, refused.code)
            return
        break_cycles(protocol)
        client_log.stream_opened(newcomer.number, client.grant and client.grant.player, wanted.room, newcomer.address)
        newcomer.become_stream(event_stream.head(request, policy, random))
        self._wake()

    def _respond(
        self, newcomer: Newcomer, protocol: ServerProtocol, request: Request, response: Response, code: str = ""
    ) -> None:
        """Send the response to the opening request; ``code`` says why that is refused."""
        if code in (HOST_REFUSED, ORIGIN_REFUSED):
            client_log.page_refused(request.headers, code)
        elif code or response.status_code >= http.HTTPStatus.BAD_REQUEST:
            client_log.handshake_refused(newcomer.number, response.status_code, code, newcomer.address)
        excess = self._excess(newcomer) if code in _OVER_LIMIT else None
        if excess is not None:
            self._log_excess(newcomer, code, excess)
        if code or response.status_code >= http.HTTPStatus.BAD_REQUEST:
            reason = handshake.reason_of(response.status_code, code) if excess is None else excess.limit.value
            self._core.counters.connections.refused[reason] += 1
        if request.method == "HEAD":
            response.body = b""
        protocol.send_response(response)
        newcomer.write_out(protocol)

    def _over_limit(self, newcomer: Newcomer) -> handshake.OverLimit | None:
        return handshake.over_limit(self._excess(newcomer), self._random)

    def _excess(self, newcomer: Newcomer) -> Excess | None:
        """The limit that a connection is over, so that it has to be refused; None if it may come in."""
        if self._core.is_full:
            return Excess(Limit.CONNECTIONS)
        if not self._core.takes_clients:
            return Excess(Limit.DRAINING)
        return self._core.admission.excess(newcomer)

    def _presented(self, request: Request) -> Grant | None:
        """What the request's token grants; a server without keys leaves a token to the proxy that it may be for."""
        access = self._core.access
        token = None if access.verify is None else handshake.bearer(request.headers)
        return None if token is None else access.admit(token, self._now())

    def _watch(self, newcomer: Newcomer, request: RoomRequest, presented: Grant | None) -> Client[Peer]:
        client = newcomer.begin(EVENT_STREAM, presented)
        try:
            refusal = self._core.watch(client, request, self._now())
        except TokenRefused:
            newcomer.turn_away()
            raise
        if refusal is None:
            return client
        newcomer.turn_away()
        raise event_stream.Refused(_STATUS.get(refusal[0], http.HTTPStatus.BAD_REQUEST), refusal[0].code, refusal[1])
