"""Publishes over HTTP, through the control plane of a running server."""

import re
from collections.abc import Sequence
from urllib.parse import quote

import httpx
import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room
from touchline_server.config.variables import API_KEY_VARIABLE
from touchline_server.core.log import AppendFailed, Position
from touchline_server.http_client import http_client
from touchline_server.new_events import NewEvent

from .slow import noted_if_slow

REQUEST_TIMEOUT_S = 30.0
"""A server whose log is unavailable reports that sooner than this."""

TOPIC_REFUSED = "topic_refused"
"""The code of a 503 that lasts until an operator acts."""

KEY_MISSING = "key_missing"
"""The code of a 401. The server's message names a header, which nobody types on a command line."""


class _Answer(msgspec.Struct):
    partition: int
    offsets: list[int]


class _Refusal(msgspec.Struct):
    message: str
    code: str = ""
    written: int = 0


class _Refused(msgspec.Struct):
    error: _Refusal


_HEADER_WORD = re.compile(r"[!-~]+")


class HttpTarget:
    """Implements `target.PublishTarget`.

    Raises:
        OperatorError: the address is invalid.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self._url = url
        headers = {"Content-Type": "application/json"}
        if api_key is not None:
            if not _HEADER_WORD.fullmatch(api_key):
                raise OperatorError("the key has a space or another character that a header cannot hold")
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            address = httpx.URL(url)
            if address.scheme not in ("http", "https") or not address.host:
                raise ValueError("it must begin with http:// or https://")
        except (httpx.InvalidURL, ValueError) as error:
            raise OperatorError(f"cannot publish to {url!r}: {error}") from None
        self._client = http_client(address, headers=headers, timeout_s=REQUEST_TIMEOUT_S)
        self._client.base_url = address

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        split_room(room)
        path = f"/v1/rooms/{quote(room, safe=':')}/events"
        try:
            with noted_if_slow(self._url):
                response = await self._client.post(path, content=_body(events))
        except httpx.ConnectError as error:
            raise AppendFailed(f"the server at {self._url} cannot be reached: {error}") from None
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise AppendFailed(f"the server at {self._url} did not answer: {reason}") from None
        if response.status_code == httpx.codes.OK:
            return self._positions(response)
        refusal = self._refusal(response)
        keyless = f"publishing needs a key: pass --api-key or {API_KEY_VARIABLE}"
        message = f"the server at {self._url} refused: {keyless if refusal.code == KEY_MISSING else refusal.message}"
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE and refusal.code != TOPIC_REFUSED:
            raise AppendFailed(message, refusal.written)
        raise OperatorError(message)

    async def close(self) -> None:
        await self._client.aclose()

    def _positions(self, response: httpx.Response) -> list[Position]:
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise OperatorError(f"{self._url} does not answer like a Touchline control plane") from None
        return [Position(answer.partition, offset) for offset in answer.offsets]

    def _refusal(self, response: httpx.Response) -> _Refusal:
        try:
            return msgspec.json.decode(response.content, type=_Refused).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _Refusal(f"HTTP {response.status_code}; is this a Touchline control plane?")


def _body(events: Sequence[NewEvent]) -> bytes:
    shown = [
        {"data": msgspec.Raw(event.value or b"null")} | ({} if event.key is None else {"key": event.key})
        for event in events
    ]
    return msgspec.json.encode({"events": shown})
