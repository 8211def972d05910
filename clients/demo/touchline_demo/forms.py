"""What the page posts to the demo's own routes.

Rules: a page of another site must not post here unseen, so only JSON is taken: a browser asks first before it lets
another site's page send that, and is not answered. Nor may such a page read an answer, a token for instance.
"""

from typing import Literal, TypeVar

import msgspec
from starlette.requests import Request

from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_server.control.answers import ApiError

FORM_BYTES_MAX = 2 * TOKEN_CHARS_MAX
"""A token and what is around it."""


class TokenForm(msgspec.Struct):
    """``token``: an older one, to go on as the same player."""

    token: str = ""


class BotForm(msgspec.Struct):
    """Which bot, and in which match."""

    way: Literal["fast", "steady", "reflexes"]
    match: str


FormT = TypeVar("FormT", TokenForm, BotForm)


async def read_form(request: Request, kind: type[FormT]) -> FormT:
    """The form that a request brings.

    Raises:
        ApiError: it brings none, or comes from another site.
    """
    if request.headers.get("content-type") != "application/json":
        raise ApiError(415, "not_json", "send JSON, with Content-Type: application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise ApiError(413, "too_large", f"the request is larger than {FORM_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_request", str(error)) from None
