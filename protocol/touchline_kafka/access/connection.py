"""Connections to brokers: how one is opened, how long its broker lets it live, and how it is replaced before that.

A broker may limit how long a login counts: to the life of its token, or to ``connections.max.reauth.ms``. It closes a
connection that is used for longer (KIP-368). aiokafka ignores that limit, and loses what is under way. Clients in Java
log in again on the same connection. Ours open another one ahead of time, send on it from then on, and close the old one
when everything on it is answered. That needs no pause, and a login that fails does no harm: the old connection serves
until its time is over.
"""

import asyncio
import random
import time
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from aiokafka.protocol.admin import SaslAuthenticateRequest

from .login import LoginRefused
from .oauth import OAuthAuthenticator
from .tls import TlsFiles

RENEW_SHARES = (0.75, 0.9)
"""A connection is replaced after a share of its session's life that is chosen between these, so that a fleet does not
log in again at once."""
RENEW_RETRY_S = 1.0
"""Between tries to open the connection that replaces one."""


class Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """A connection that is lost the same way under uvloop as under asyncio, and knows how long its session lives."""

    expires_at = float("inf")
    """When (of `time.monotonic`) the broker's belief in this client ends."""
    renew_at = float("inf")
    """When to open another connection in its place."""
    _oauth: OAuthAuthenticator | None = None
    _ssl_context: Any

    async def connect(self) -> Any:
        """Open the connection and log in; see `AIOKafkaConnection.connect`."""
        if isinstance(self._ssl_context, TlsFiles):
            self._ssl_context = self._ssl_context.current()
        try:
            return await super().connect()
        except SaslAuthenticationFailed as error:
            if self._oauth is not None:
                raise self._oauth.refused(error) from error
            reason = ", ".join(str(part) for part in error.args if part)
            raise LoginRefused(self._sasl_mechanism, reason) from error

    def authenticator_oauth(self) -> OAuthAuthenticator:
        """See `OAuthAuthenticator`."""
        self._oauth = OAuthAuthenticator(self._sasl_oauth_token_provider)
        return self._oauth

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """See `AIOKafkaConnection.send`."""
        try:
            answer = super().send(request, expect_response)
        except KafkaError:
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection is lost: {error}") from error
        return self._note_session(answer) if isinstance(request, SaslAuthenticateRequest) else answer

    async def _note_session(self, answer: Any) -> Any:
        sent_at = time.monotonic()  # the broker counts from later on
        response = await answer
        lives_ms = getattr(response, "session_lifetime_ms", 0)  # brokers before Kafka 2.2 have none
        if lives_ms > 0:
            self.expires_at = sent_at + lives_ms / 1000
            self.renew_at = sent_at + lives_ms / 1000 * random.uniform(*RENEW_SHARES)  # noqa: S311 - not a secret
        return response

    @property
    def is_usable(self) -> bool:
        """Whether a request can be sent: the connection stands, and the broker still believes who this is."""
        return bool(self.connected()) and time.monotonic() < self.expires_at

    @property
    def is_due(self) -> bool:
        """Whether to open another connection in its place."""
        return time.monotonic() >= self.renew_at

    async def finish(self) -> None:
        """Close the connection once everything on it is answered. It then does not count as lost."""
        self._on_close_cb = None
        try:
            if waiting := [future for *_, future in self._requests if not future.done()]:
                await asyncio.wait(waiting)
        finally:
            self.close(reason=CloseReason.SHUTDOWN)
