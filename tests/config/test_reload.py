"""Which settings a running server takes over, and which it only takes over when it starts."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from touchline_protocol.errors import OperatorError
from touchline_server.config.keeper import KeeperSettings
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.config.reload import ACTION_SCHEMAS, RELOADABLE, reload_settings
from touchline_server.config.settings import Settings
from touchline_server.config.tables import ActionsSettings, AuthSettings, FeedSettings, KafkaSettings, RatesSettings

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
SECRET, OTHER = "a secret that is long enough for HS256", "another secret that is long enough for HS256"
OLD = Settings(edge_name="edge-1", auth=AuthSettings(hs256_secret=SECRET))


def changed(**options: Any) -> Settings:
    defaults: dict[str, Any] = {"edge_name": "edge-1", "auth": OLD.auth}
    return Settings(**(defaults | options))


def test_the_same_settings_change_nothing() -> None:
    assert reload_settings(OLD, changed()) == (OLD, [], [])


def test_keys_and_limits_are_taken_over() -> None:
    new = changed(
        api_keys=["key"],
        origins=["https://example.org"],
        connections_max=7,
        auth=AuthSettings(hs256_secret=OTHER, leeway_s=1),
        rates=RatesSettings(pings_burst=5),
        actions=ActionsSettings(burst=100),
    )
    assert reload_settings(OLD, new) == (
        new,
        [
            "auth.hs256_secret",
            "auth.leeway_s",
            "rates.pings_burst",
            "actions.burst",
            "origins",
            "api_keys",
            "connections_max",
        ],
        [],
    )


def test_nothing_about_kafka_is_taken_over() -> None:
    login: dict[str, Any] = {"sasl_mechanism": "PLAIN", "sasl_username": "ada"}
    old = changed(kafka=KafkaSettings(sasl_password="old", **login))
    new = changed(kafka=KafkaSettings(sasl_password="new", cert_file="new.pem", rack="a", **login))
    reload = reload_settings(old, new)
    assert (reload.settings, reload.changed) == (old, [])
    assert set(reload.restart_needed) == {"kafka.sasl_password", "kafka.cert_file", "kafka.rack"}


def test_other_options_stay_as_they_were_beside_those_that_are_taken_over() -> None:
    new = changed(
        log="kafka://other:9092",
        port=9000,
        connections_max=7,
        kafka=KafkaSettings(connect_timeout_s=1),
        actions=ActionsSettings(burst=100, window=32),
        auth=AuthSettings(hs256_secret=OTHER, mode="token"),
    )
    reload = reload_settings(OLD, new)
    assert reload.settings == changed(
        connections_max=7, actions=ActionsSettings(burst=100), auth=AuthSettings(hs256_secret=OTHER)
    )
    assert set(reload.changed) == {"connections_max", "actions.burst", "auth.hs256_secret"}
    assert set(reload.restart_needed) == {"log", "port", "kafka.connect_timeout_s", "actions.window", "auth.mode"}


def test_each_option_that_needs_a_restart_is_named_by_itself() -> None:
    new = changed(
        heartbeat_s=9,
        auth=AuthSettings(hs256_secret=SECRET, mode="token"),
        presence=PresenceSettings(interval_s=2, records=True),
        redis=RedisSettings(url="redis://:secret@host/0", prefix="other"),
        keeper=KeeperSettings(port=1),
    )
    named = {"heartbeat_s", "auth.mode", "presence.interval_s", "presence.records"}
    named |= {"redis.url", "redis.prefix", "keeper.port"}
    reload = reload_settings(OLD, new)
    assert (reload.settings, reload.changed, set(reload.restart_needed)) == (OLD, [], named)


def test_a_server_without_keys_gets_its_first_one_by_a_restart_since_it_does_not_read_verdicts() -> None:
    new = Settings(edge_name="edge-1")
    assert reload_settings(new, OLD) == (new, [], ["auth.hs256_secret"])
    assert reload_settings(OLD, new) == (OLD, [], ["auth.hs256_secret"])


def test_schemas_of_a_feed_are_taken_over_and_feeds_are_not() -> None:
    schemas = {"shot": Path("shot.json")}
    match, score = FeedSettings(topic="match-events"), FeedSettings(topic="score-events")
    with_schemas = changed(feeds={"match": match, "score": FeedSettings(topic="score-events", action_schemas=schemas)})
    assert reload_settings(OLD, with_schemas) == (with_schemas, ["feeds.score.action_schemas"], [])
    moved = changed(feeds={"match": match, "score": FeedSettings(topic="other", action_schemas=schemas)})
    assert reload_settings(OLD, moved) == (with_schemas, ["feeds.score.action_schemas"], ["feeds.score.topic"])
    assert reload_settings(OLD, changed(feeds={"score": score})) == (OLD, [], ["feeds"])


@pytest.mark.parametrize(
    ("old", "new", "option", "stays"),
    [
        (
            {"control_host": "0.0.0.0", "api_keys": ["key"]},
            {"control_host": "127.0.0.1", "api_keys": []},
            "control_host",
            "control_host",
        ),
        (
            {"actions": ActionsSettings(window=1000), "rates": RatesSettings(refusals_per_second_max=1000)},
            {"actions": ActionsSettings(window=10), "rates": RatesSettings(refusals_per_second_max=100)},
            "rates.refusals_per_second_max",
            "actions.window",
        ),
    ],
)
def test_what_is_in_force_after_a_reload_has_to_be_valid_as_a_whole(
    old: dict[str, Any], new: dict[str, Any], option: str, stays: str
) -> None:
    """Both configurations are. The mixture is not: some options need a restart, and others do not."""
    with pytest.raises(OperatorError) as refused:
        reload_settings(changed(**old), changed(**new))
    assert f"'{option}'" in str(refused.value)
    assert stays in str(refused.value).rpartition(": ")[2].split(", ")


def test_the_page_for_operators_names_each_option_that_can_change_at_run_time() -> None:
    section = OPERATIONS.partition("\n## Changing settings without a restart\n")[2].partition("\n## ")[0]
    list_ = section.partition("\n- ")[2].partition("\n\n")[0]
    named = {name.strip("[]") for name in re.findall(r"`([^`]+)`", list_)}
    assert named == RELOADABLE | {f"feeds.NAME.{ACTION_SCHEMAS}"}


def test_each_reloadable_option_exists() -> None:
    for dotted in RELOADABLE:
        table: object = OLD
        for name in dotted.split("."):
            table = getattr(table, name)


def test_a_worker_gets_the_settings_of_its_supervisor_exactly() -> None:
    settings = changed(
        log="kafka://one:9092",
        api_keys=["key"],
        feeds={"match": FeedSettings(topic="t", action_schemas={"*": Path("any.json")})},
        kafka=KafkaSettings(tls=True, sasl_mechanism="PLAIN", sasl_username="me", sasl_password="secret"),
        redis=RedisSettings(url="redis://me:secret@host/0"),
    )
    received = pickle.loads(pickle.dumps(settings))
    assert received == settings
    assert reload_settings(settings, received) == (settings, [], [])
    assert received.model_fields_set == settings.model_fields_set
