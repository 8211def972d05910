"""Where the command line's events go: over HTTP to a running server, or straight into a log.

Both are a `touchline_demo.playback.Publisher` that is closed at the end.
"""

from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import quote

import httpx
import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room
from touchline_server.config.settings import Settings
from touchline_server.core.log import AppendFailed, Log, Position
from touchline_server.log.append_events import append_events
from touchline_server.log.open import make_log
from touchline_server.new_events import NewEvent

Publisher: TypeAlias = "HttpPublisher | LogPublisher"

REQUEST_SECONDS_MAX = 30.0
"""A server whose log is away answers sooner with what is wrong."""


class LogPublisher:
    """Appends to a log. Needs no server."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._log = log
        self._feeds = settings.feeds

    @classmethod
    async def open(cls, settings: Settings) -> "LogPublisher":
        """Connect to the log that ``settings`` name.

        Raises:
            OperatorError: it cannot be reached.
        """
        log = make_log(settings)
        try:
            await log.open([], since_ms=0)
        except BaseException:
            await log.close()
            raise
        return cls(log, settings)

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        feed, room_id = split_room(room)
        if feed not in self._feeds:
            raise OperatorError(f"there is no feed {feed!r}; the feeds are {', '.join(sorted(self._feeds))}")
        return await append_events(self._log, self._feeds[feed].topic, room_id, events)

    async def close(self) -> None:
        await self._log.close()


class _Answer(msgspec.Struct):
    partition: int
    offsets: list[int]


class _Refusal(msgspec.Struct):
    message: str
    written: int = 0


class _Refused(msgspec.Struct):
    error: _Refusal


class HttpPublisher:
    """Publishes through the control plane of a running server.

    Raises:
        OperatorError: the address is none.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self._url = url
        headers = {"Content-Type": "application/json"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            address = httpx.URL(url)
            if address.scheme not in ("http", "https") or not address.host:
                raise ValueError("it must begin with http:// or https://")
            self._client = httpx.AsyncClient(base_url=address, headers=headers, timeout=REQUEST_SECONDS_MAX)
        except (httpx.InvalidURL, ValueError) as error:  # the latter also for a key that no header can hold
            raise OperatorError(f"cannot publish to {url!r}: {error}") from None

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        split_room(room)
        path = f"/v1/rooms/{quote(room, safe=':')}/events"
        try:
            response = await self._client.post(path, content=_body(events))
        except httpx.ConnectError as error:
            raise AppendFailed(f"the server at {self._url} cannot be reached: {error}") from None
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            raise AppendFailed(f"the server at {self._url} did not answer: {what}") from None
        if response.status_code == httpx.codes.OK:
            return self._placed(response)
        refusal = self._refusal(response)
        said = f"the server at {self._url} says: {refusal.message}"
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise AppendFailed(said, refusal.written)
        raise OperatorError(said)

    async def close(self) -> None:
        await self._client.aclose()

    def _placed(self, response: httpx.Response) -> list[Position]:
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise OperatorError(f"what answers at {self._url} is no Touchline control plane") from None
        return [Position(answer.partition, offset) for offset in answer.offsets]

    def _refusal(self, response: httpx.Response) -> _Refusal:
        try:
            return msgspec.json.decode(response.content, type=_Refused).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _Refusal(f"HTTP {response.status_code}; is that a Touchline control plane?")


def _body(events: Sequence[NewEvent]) -> bytes:
    shown = [
        {"data": msgspec.Raw(event.value or b"null")} | ({} if event.key is None else {"key": event.key})
        for event in events
    ]
    return msgspec.json.encode({"events": shown})
