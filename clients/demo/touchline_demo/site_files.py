"""Serves the built site, with a policy that lets it load nothing but its own files and connect to nothing but the edge.

``clients/demo/web`` has the sources. The files' names stay the same from build to build, so browsers ask each time
whether they have changed.
"""

from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

SITE = Path(__file__).parent / "site"


class SiteFiles(StaticFiles):
    """The site's files. ``edge_port`` is known once the edge runs."""

    def __init__(self, edge_port: Callable[[], int]) -> None:
        super().__init__(directory=SITE, html=True)
        self._edge_port = edge_port

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, with the headers of every file."""
        response = await super().get_response(path, scope)
        host = Request(scope).url.hostname or "localhost"
        policy = content_security_policy(f"[{host}]" if ":" in host else host, self._edge_port())
        response.headers["Content-Security-Policy"] = policy
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def content_security_policy(host: str, edge_port: int) -> str:
    """What the site may do: `ws` includes `wss`, and server-sent events come over `http`."""
    edge = f"ws://{host}:{edge_port} http://{host}:{edge_port}"
    own = "script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'"
    nothing = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; {own}; connect-src 'self' {edge}; {nothing}"
