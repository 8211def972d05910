"""The operator's page: plain HTML, CSS and JavaScript modules in the folder ``files``, which browsers get as they are.

It shows what ``GET /v1/status`` has, and asks for the key if that needs one: the files themselves hold nothing secret.
It may load nothing but its own files, and connect to nothing but the server that it came from.
"""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE_PATH = "/ui"
FOLDER = Path(__file__).parent / "files"

_OWN = "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
_NOTHING = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; {_OWN}; {_NOTHING}",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every file. Names of files stay the same over versions, so browsers ask whether they have changed."""


def page_routes() -> Sequence[BaseRoute]:
    """The routes of the page."""
    return (Route(PAGE_PATH, to_page), Mount(PAGE_PATH, _PageFiles(directory=FOLDER, html=True)))


async def to_page(_: Request) -> Response:
    """Lead a browser from ``/`` or `PAGE_PATH` to the folder of the files. They refer to each other relatively, so that
    a proxy may serve them under any prefix."""
    return RedirectResponse(f"{PAGE_PATH.removeprefix('/')}/")


class _PageFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
