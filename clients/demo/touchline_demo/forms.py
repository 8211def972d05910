"""What the page posts to the demo's own routes.

Rule: pages of other sites must not be able to post here, so only JSON is accepted. Before a browser lets a page of
another site send JSON it asks the server (CORS), and this one never agrees. Such a page cannot read an answer either,
for example a token.
"""

from typing import Literal, TypeVar

import msgspec
from starlette.requests import Request

from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_server.control.answers import ApiError

FORM_BYTES_MAX = 2 * TOKEN_CHARS_MAX
"""A token and the JSON around it."""


class TokenForm(msgspec.Struct):
    """Asks for a token. ``token`` is an older one, to continue as the same player."""

    token: str = ""


class BotForm(msgspec.Struct):
    """Asks for a bot in a match. ``cheat`` is a key of `bots.CHEATS`."""

    cheat: Literal["fast", "steady", "reflexes"]
    match: str


FormT = TypeVar("FormT", TokenForm, BotForm)


async def read_form(request: Request, kind: type[FormT]) -> FormT:
    """The form in a request's body.

    Raises:
        ApiError: the body is not such a form, or may come from another site.
    """
    if request.headers.get("content-type") != "application/json":
        raise ApiError(415, "not_json", "send JSON with the header Content-Type: application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise ApiError(413, "too_large", f"the request is larger than {FORM_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_request", str(error)) from None
