"""Settings that do not work together are named, each with its numbers; the defaults work together."""

from typing import Any

import pytest

from touchline.transport import MESSAGE_BYTES_MAX
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action
from touchline_server.config.conflicts import (
    MESSAGE_BYTES_BESIDES,
    SERVER_MESSAGE_BYTES_MAX,
    conflicts,
    topic_conflicts,
)
from touchline_server.config.settings import Settings

SECRET = "a secret of more than thirty-two bytes, for tests"
GIBIBYTE = 1 << 30


def test_the_defaults_work_together_on_an_ordinary_machine() -> None:
    assert conflicts(Settings(), 2 * GIBIBYTE) == []
    assert conflicts(Settings(auth={"hs256_secret": SECRET})) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "options", "numbers"),
    [
        ({"drain_s": 2}, ("drain_s", "connections_max"), ["2 s", "50000", "25000", "3000", "auto"]),
        ({"connections_max": 100_000}, ("drain_s", "connections_max"), ["17 s", "100000", "drain_s = 34", "45 s"]),
        ({"message_bytes_max": 4096}, ("actions.data_bytes_max", "message_bytes_max"), ["4096"]),
        ({"actions": {"data_bytes_max": 65536}}, ("actions.data_bytes_max", "message_bytes_max"), ["65536", "1024"]),
        (
            {"message_bytes_max": 8192, "auth": {"hs256_secret": SECRET}},
            ("message_bytes_max", "auth"),
            ["8192 characters"],
        ),
        ({"heartbeat_s": 90}, ("heartbeat_s",), ["90", "60"]),
        ({"auth": {"jwks": "keys.json", "jwks_refresh_s": 1}}, ("auth.jwks_refresh_s",), ["5 s", "1 s"]),
        ({"actions": {"retry_s": 300}}, ("actions.retry_s",), ["300"]),
        ({"actions": {"burst": 10}}, ("actions.burst", "actions.window"), ["10", "64"]),
        ({"actions": {"waiting_max": 30}}, ("actions.waiting_max", "actions.window"), ["30", "64"]),
        ({"state_bytes_max": 8192}, ("state_bytes_max",), ["8192", "262144"]),
        ({"state_bytes_max": 16 << 20}, ("state_bytes_max",), [str(16 << 20)]),
        (
            {"log": "kafka://broker:9092", "presence": {"records": True}},
            ("presence.records", "redis.url"),
            ["Kafka"],
        ),
        (
            {"window_s": 7200, "keeper": {"room_idle_s": 3600}, "redis": {"url": "redis://127.0.0.1"}},
            ("window_s", "keeper.room_idle_s"),
            ["7200 s", "3600 s"],
        ),
        ({"kafka": {"cert_file": "/nope"}}, ("kafka.cert_file", "kafka.tls"), ["kafka.tls = true"]),
        ({"window_bytes_max": 1 << 17}, ("window_bytes_max",), [str(1 << 17), "262144"]),
        (
            {"admission": {"trusted_proxies": ["10.0.0.1", "0.0.0.0/0", "::/0"]}},
            ("admission.trusted_proxies",),
            ["0.0.0.0/0, ::/0 "],
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_a_conflict_is_named_with_its_numbers(
    settings: dict[str, Any], options: tuple[str, ...], numbers: list[str]
) -> None:
    (conflict,) = conflicts(Settings(**settings))
    assert conflict.options == options
    assert [number for number in numbers if number not in conflict.message] == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"window_bytes_max": 3 * GIBIBYTE}, "3072 MiB for window_bytes_max"),
        ({"replay_concurrency": 10_000}, "10000 MiB for replay_concurrency"),
        ({"connections_max": 1_000_000, "drain_s": 0}, "3906 MiB for connections_max"),
        ({"actions": {"waiting_max": 10_000_000}}, "9766 MiB for actions.waiting_max"),
    ],
)
def test_settings_that_need_more_memory_than_there_is_are_named(settings: dict[str, Any], named: str) -> None:
    (conflict,) = conflicts(Settings(**settings), 2 * GIBIBYTE)
    assert named in conflict.message
    assert "2048 MiB" in conflict.message
    assert conflicts(Settings(**settings), 64 * GIBIBYTE) == conflicts(Settings(**settings)) == []


@pytest.mark.parametrize(
    ("topic", "record_bytes_max", "options"),
    [
        ("match-events", 1 << 18, ("feeds.match.topic", "max.message.bytes")),
        ("player-actions", 4096, ("actions.data_bytes_max", "max.message.bytes")),
        ("match-events", 1_048_588, None),
        ("player-actions", 10_000, None),
        ("cheat-verdicts", 100, None),
        ("match-events", None, None),
    ],
)
def test_a_topic_that_takes_less_than_the_server_is_named(
    topic: str, record_bytes_max: int | None, options: tuple[str, ...] | None
) -> None:
    found = topic_conflicts(Settings(), {topic: record_bytes_max})
    assert [(conflict.options, conflict.topic) for conflict in found] == ([(options, topic)] if options else [])
    assert all(str(record_bytes_max) in conflict.message for conflict in found)


def test_a_drain_that_asks_nobody_to_reconnect_is_a_choice() -> None:
    assert conflicts(Settings(drain_s=0)) == []


def test_what_a_message_has_besides_its_data_is_allowed_for() -> None:
    room = "f" * 32 + ":" + "é" * 64
    longest = Action(id=2**53 - 1, room=room, kind="k" * 64, data=JSON.value(b"0"), prev=2**53 - 1)
    escaped = JSON.encode(longest).decode().encode("ascii", "backslashreplace")  # é becomes \\xe9: JSON takes 2 more
    assert len(escaped) + 2 * 64 <= MESSAGE_BYTES_BESIDES


def test_the_largest_message_is_the_one_that_the_python_client_takes() -> None:
    assert SERVER_MESSAGE_BYTES_MAX == MESSAGE_BYTES_MAX
