"""SIGHUP: a server reads its configuration again, and closes no connection."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from auth.signed import SECRET
from cli.processes import Server, line_named, serving
from edge.players import token

OTHER_SECRET = "another secret that is long enough for HS256"


class Configured:
    """A server, and its configuration."""

    def __init__(self, server: Server, file: Path) -> None:
        self.server = server
        self._file = file

    def reload(self, text: str, event: str = "settings_reloaded") -> dict[str, Any]:
        """Change the file, have the server read it again, and return the line that says what came of it."""
        self._file.write_text(text)
        self.server.process.send_signal(signal.SIGHUP)
        return self.line(event)

    def line(self, event: str) -> dict[str, Any]:
        """The next line of this event."""
        return line_named(self.server.process, event)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    file = tmp_path_factory.mktemp("reload") / "touchline.toml"
    file.write_text(settings())
    env = {"TOUCHLINE_LOGGING__FORMAT": "json", "TOUCHLINE_DRAIN_S": "0"}
    with serving("--config", str(file), env=env) as server:
        yield Configured(server, file)


@pytest.fixture
def configured(shared: Configured) -> Configured:
    """The server as it was started."""
    shared.reload(settings())
    return shared


def settings(secret: str = SECRET, **options: object) -> str:
    """The text of a configuration."""
    top = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return f"{top}\n[auth]\nhs256_secret = {json.dumps(secret)}\n"


def greet(client: ClientConnection, jwt: str) -> str:
    """Sign in; returns what the answer is."""
    client.send(json.dumps({"type": "hello", "token": jwt}))
    return str(json.loads(client.recv())["type"])


def test_keys_and_limits_change_and_clients_stay(configured: Configured) -> None:
    url, room = configured.server.websocket_url, f"{configured.server.control_url}/v1/rooms/score:1/events"
    with connect(url) as client:
        assert greet(client, token()) == "welcome"
        assert httpx.post(room, json={"data": 1}).status_code == 200
        line = configured.reload(settings(OTHER_SECRET, connections_max=2, api_keys=["key"]))
        assert set(line["changed"]) == {"auth.hs256_secret", "connections_max", "api_keys"}
        assert OTHER_SECRET not in json.dumps(line)
        assert httpx.post(room, json={"data": 2}).status_code == 401
        assert httpx.post(room, json={"data": 2}, headers={"Authorization": "Bearer key"}).status_code == 200
        with connect(url) as second:
            assert greet(second, token()) == "error"
        with connect(url) as second:
            assert greet(second, token(key=OTHER_SECRET)) == "welcome"
            with pytest.raises(InvalidStatus) as refused:
                connect(url).close()
            assert refused.value.response.status_code == 503
        client.ping().wait(10)


def test_a_mistake_in_the_configuration_changes_nothing(configured: Configured, tmp_path: Path) -> None:
    url = configured.server.websocket_url
    for text, name in (
        (settings(OTHER_SECRET, connections_max=-1), "connections_max"),
        (settings(OTHER_SECRET, origin=["https://example.org"]), "origin"),
        (settings(OTHER_SECRET) + f'public_keys = ["{tmp_path}/missing.pem"]', "missing.pem"),
        ("port = ", "TOML"),
    ):
        assert name in configured.reload(text, "reload_refused")["why"]
    with connect(url) as client:
        assert greet(client, token()) == "welcome"
    assert configured.reload(settings(OTHER_SECRET))["changed"] == ["auth.hs256_secret"]


def test_a_change_that_needs_a_restart_is_named_and_does_not_happen(configured: Configured) -> None:
    assert configured.reload(settings(window_s=60, lag_s_max=10))["changed"] == ["lag_s_max"]
    assert configured.line("restart_needed")["settings"] == ["window_s"]
