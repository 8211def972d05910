"""Locust's page says of every failure what failed and why, in as few rows as there are reasons."""

import csv
import ssl
from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from support.locust_process import run_locust
from support.node_fixture import running_node
from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull, BadUrl, ConnectionFailed, ConnectionRefused
from touchline.transport import connection_failed
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.failures import action_failure, close_text, connect_failure, refused_room
from touchline_protocol.codes import BANNED, CLOSES, NACKS

ADDRESS = "203.0.113.7:8080"
SECONDS = 6
"""Longer than a failed connection is held, in case a fault explains it."""


def failed(error: Exception) -> ConnectionFailed:
    """What a client makes of ``error``."""
    failure = connection_failed(f"ws://{ADDRESS}/ws", error)
    failure.__cause__ = error
    return failure


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:992)")
    error.reason, error.verify_message = "CERTIFICATE_VERIFY_FAILED", "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (failed(ConnectionRefusedError(111, "Connection refused")), "connection refused"),
        (failed(OSError(99, "Cannot assign requested address")), "cannot assign"),
        (failed(OSError(-2, "Name or service not known")), "not known"),
        (failed(TimeoutError("no WebSocket within 10 s")), "no answer"),
        (failed(untrusted()), "self-signed"),
        (failed(InvalidStatus(Response(503, "Service Unavailable", Headers(), b"node 17 drains"))), "503"),
        (ConnectionRefused(403, "no"), "403"),
        (ConnectionRefused(BANNED.code, "no"), BANNED.name),
        (ConnectionRefused("bad_token", "no"), "bad_token"),
        (BadUrl("nonsense"), "nonsense"),
    ],
)
def test_a_failed_connection_has_its_address_and_reason(failure: ConnectionFailed, reason: str) -> None:
    text = connect_failure(ADDRESS, failure)
    assert ADDRESS in text
    assert reason in text
    for of_one_client in ("Errno", "_ssl.c", "node 17", type(failure).__name__):
        assert of_one_client not in text


def test_every_close_code_has_its_name() -> None:
    for code, close in CLOSES.items():
        assert str(code) in close_text(code)
        assert close.name in close_text(code)
    assert "4999" in close_text(4999)


def test_rooms_of_one_feed_that_are_refused_for_one_reason_share_a_row() -> None:
    assert refused_room("score:1", "unknown_feed") == refused_room("score:2", "unknown_feed")
    for part in ("score", "unknown_feed"):
        assert part in refused_room("score:1", "unknown_feed")


def test_actions_that_fail_for_different_reasons_have_different_rows() -> None:
    errors: list[ActionInDoubt | ActionsFull | ActionRefused] = [
        ActionInDoubt("x of ada"),
        ActionsFull("y of ada"),
        *(ActionRefused(code, "of ada") for code in NACKS),
    ]
    texts = [action_failure(error) for error in errors]
    assert len(set(texts)) == len(errors)
    assert all("ada" not in text and "Error" not in text for text in texts)


async def failures_shown(folder: Path, *args: str) -> list[tuple[str, str]]:
    """The name and the text of each row of Locust's failures, in a short run."""
    await run_locust(folder, *args, "-u", "3", "-r", "10", "-t", f"{SECONDS}s", "--csv", str(folder / "run"))
    with (folder / "run_failures.csv").open(newline="") as file:
        return [(row["Name"], row["Error"]) for row in csv.DictReader(file)]


@pytest.mark.long
@pytest.mark.parametrize("user", ["Fan", "StreamFan"])
async def test_locust_shows_the_address_and_the_reason(tmp_path: Path, user: str) -> None:
    (port,) = free_ports(1)
    [(row, text)] = await failures_shown(tmp_path, "--host", f"ws://127.0.0.1:{port}", user)
    assert row == rows.CONNECT
    assert f"127.0.0.1:{port}" in text
    assert "connection refused" in text


@pytest.mark.long
async def test_locust_shows_the_feed_that_a_server_does_not_have(tmp_path: Path) -> None:
    async with running_node() as node:
        shown = await failures_shown(tmp_path, "--host", f"ws://127.0.0.1:{node.port}", "--rooms", "nosuch:1..9", "Fan")
    [(row, text)] = shown
    assert row == "refused"
    assert "nosuch" in text
