"""The settings: where they come from, which source wins, and that every error is one line that names its place."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from touchline_protocol.errors import OperatorError
from touchline_server.config.loading import load_settings, options_of
from touchline_server.config.settings import Settings
from touchline_server.config.suggestions import RENAMED
from touchline_server.config.tables import FeedSettings, KafkaSettings, SqliteSettings
from touchline_server.config.variables import CONFIG_VARIABLE, ENV_PREFIX

EXAMPLE = Path(__file__).parents[2] / "deploy" / "touchline.toml"
CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file, named without its folder in errors."""
    monkeypatch.chdir(tmp_path)
    return Path("touchline.toml")


def error_of(file: Path | None = None, flags: dict[str, Any] | None = None) -> str:
    """The message of the error that loading raises."""
    with pytest.raises(OperatorError) as error:
        load_settings(file, flags)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_any_source_the_defaults_apply() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.port, settings.control_port, settings.publish_needs_key) == (8080, 8081, False)
    assert settings.log.startswith("sqlite:///")
    assert settings.feeds == {"match": FeedSettings(topic="match-events"), "score": FeedSettings(topic="score-events")}


def test_a_flag_overrides_a_variable_and_a_variable_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('port = 1\nrooms_max = 1\nedge_name = "a"\n[kafka]\ntls = true\nepoch_check_s = 1\n')
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    monkeypatch.setenv("TOUCHLINE_ROOMS_MAX", "2")
    monkeypatch.setenv("TOUCHLINE_KAFKA__EPOCH_CHECK_S", "2")
    settings = load_settings(file, {"port": 3, "host": None})
    assert (settings.port, settings.rooms_max, settings.edge_name, settings.host) == (3, 2, "a", "127.0.0.1")
    assert settings.kafka == KafkaSettings(tls=True, epoch_check_s=2)


def test_an_overridden_value_may_be_invalid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('port = "none"')
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    assert load_settings(file).port == 2


def test_a_variable_names_the_file_unless_a_flag_does(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("port = 1")
    Path("other.toml").write_text("port = 2")
    monkeypatch.setenv(CONFIG_VARIABLE, "other.toml")
    assert load_settings().port == 2
    assert load_settings(file).port == 1


def test_settings_created_in_code_use_no_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    assert Settings(rooms_max=3).port == 8080


def test_keys_in_the_value_of_an_option_keep_their_case(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = "sasl_mechanism = 'OAUTHBEARER'\nsasl_oauth_token_url = 'https://a.org'\nsasl_username = 'a'"
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_PASSWORD", "hush")
    file.write_text(f"[kafka]\n{login}\nsasl_oauth_extensions.logicalCluster = 'lkc-1'")
    assert load_settings(file).kafka.sasl_oauth_extensions == {"logicalCluster": "lkc-1"}
    file.write_text(f"[kafka]\n{login}")
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_OAUTH_EXTENSIONS", '{"identityPoolId": "pool-1"}')
    assert load_settings(file).kafka.sasl_oauth_extensions == {"identityPoolId": "pool-1"}
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_OAUTH_EXTENSIONS__LOGICALCLUSTER", "lkc-1")
    with pytest.raises(OperatorError, match="SASL_OAUTH_EXTENSIONS__LOGICALCLUSTER"):
        load_settings(file)


def test_variables_reach_tables_feeds_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_FEEDS__GOALS__TOPIC", "goal-events")
    monkeypatch.setenv("TOUCHLINE_FEEDS__GOALS__KEY_FIELD", "team")
    monkeypatch.setenv("TOUCHLINE_SQLITE", '{"partitions": 3}')
    monkeypatch.setenv("TOUCHLINE_API_KEYS", "one, two,")
    monkeypatch.setenv("TOUCHLINE_AUTH__PUBLIC_KEYS", "a.pem,b.pem")
    settings = load_settings()
    assert settings.feeds == {"goals": FeedSettings(topic="goal-events", key_field="team")}
    assert settings.sqlite == SqliteSettings(partitions=3)
    assert settings.auth.public_keys == [Path("a.pem"), Path("b.pem")]
    assert settings.api_keys == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "option", "suggested"),
    [
        ("prot = 1", "prot", "port"),
        ("[kafka]\ntsl = true", "kafka.tsl", "kafka.tls"),
        ("[feeds.match]\ntopik = 'm'", "feeds.match.topik", "feeds.match.topic"),
        ("[feeds.match]\nwindwo_s = 5", "feeds.match.windwo_s", "window_s"),
        ("[redis]\ncontrol_prot = 1", "redis.control_prot", "control_port"),
        ("token_secret = 'x'", "token_secret", "auth.hs256_secret"),
        ("xyzzy = 1", "xyzzy", None),
        ("_env_file = 'x'", "_env_file", "kafka.key_file"),
        ("port.x = 1", "port.x", None),
    ],
)
def test_an_unknown_option_is_an_error_with_a_suggestion(
    file: Path, text: str, option: str, suggested: str | None
) -> None:
    file.write_text(text)
    message = error_of(file)
    assert f"{option!r} in touchline.toml" in message
    assert (f"{suggested!r}?" in message) is (suggested is not None)


@pytest.mark.parametrize(
    ("variable", "suggested"),
    [
        ("TOUCHLINE_TOKEN_SECRET", "TOUCHLINE_AUTH__HS256_SECRET"),
        ("TOUCHLINE_REDIS_URL", "TOUCHLINE_REDIS__URL"),
        ("TOUCHLINE_METRICS_KEY", "TOUCHLINE_METRICS_KEYS"),
    ],
)
def test_an_unknown_variable_is_an_error_with_a_suggestion(
    variable: str, suggested: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    message = error_of()
    assert f"{variable};" in message
    assert f"{suggested}?" in message


@pytest.mark.parametrize(
    ("text", "option", "named"),
    [
        ("port = 80800", "port", ["65535", "80800"]),
        ("port = 'x'", "port", ["integer", "'x'"]),
        ("kafka = 3", "kafka", ["3"]),
        ("[feeds.match]", "feeds.match.topic", []),
        ("feeds = {}", "feeds", ["[feeds.match]"]),
        ("[feeds.a]\ntopic = 'm'\n[feeds.b]\ntopic = 'm'", "feeds", ["topic"]),
        ("[kafka]\nsasl_mechanism = 'PLAIN'", "kafka.sasl_mechanism", ["sasl_username", "sasl_password"]),
        ("[kafka]\nkey_file = 'k'", "kafka.key_file", ["cert_file"]),
        (
            "[kafka]\nsasl_mechanism = 'OAUTHBEARER'",
            "kafka.sasl_mechanism",
            ["sasl_oauth_provider", "sasl_oauth_token_url"],
        ),
        (
            "[auth]\nmode = 'token'",
            "auth.mode",
            ["hs256_secret", "public_keys", "jwks"],
        ),
        (
            "[auth]\nhs256_secret = 'short'",
            "auth.hs256_secret",
            ["32"],
        ),
        (
            "[verdicts]\ntopic = 'score-events'",
            "verdicts.topic",
            ["score-events", "feeds.score"],
        ),
        (
            "[presence]\nrecords = true\ntopic = 'score-events'",
            "presence.topic",
            ["score-events", "feeds.score"],
        ),
        ("window_s = nan", "window_s", ["finite", "nan"]),
        ("room_idle_s = 1e300", "room_idle_s", ["315360000", "1e+300"]),
        ("[redis]\nurl = 'redis://h?foo=bar'", "redis.url", ["foo"]),
        ("[redis]\nurl = 'redis://h?decode_responses=true'", "redis.url", ["decode_responses"]),
        ("[redis]\nurl = 'redis://h/0?max_connections=1'", "redis.url", ["max_connections"]),
        ("[redis]\nurl = 'redis://h/0?ssl_cert_reqs=none'", "redis.url", ["ssl_cert_reqs"]),
        ("[redis]\nurl = 'rediss://h/0?ssl_ca_certs=/tmp/nope'", "redis.url", ["ssl_ca_certs"]),
        ("[redis]\ncluster = true\nsentinels = ['h:26379']", "redis.cluster", ["sentinels"]),
        ("[redis]\nsentinels = ['127.0.0.1:99999']", "redis.sentinels", ["127.0.0.1:99999", "65535"]),
        ("[redis]\nprefix = 'a b'", "redis.prefix", ["a b", "letters"]),
        ("[redis]\nprefix = ''", "redis.prefix", ["letters"]),
        ("[redis]\ncert_file = 'c'", "redis.cert_file", ["key_file"]),
        ("[redis]\nurl = 'redis://h'\nca_file = 'c'", "redis.ca_file", ["rediss://"]),
        ('edge_name = "a\\u000ab"', "edge_name", []),
        ("[keeper]\nroom_idle_s = 0.3", "keeper.room_idle_s", ["3600"]),
        ("lag_s_max = 0", "lag_s_max", ["greater than 0"]),
        ("heartbeat_s = 86400.1", "heartbeat_s", ["86400,", "86400.1"]),
        (
            "[kafka]\nconnect_timeout_s = 1e6",
            "kafka.connect_timeout_s",
            ["86400,", "1000000.0"],
        ),
        (
            "[feeds.match]\ntopic = 'a/b'",
            "feeds.match.topic",
            ["'a/b'", "249"],
        ),
        (
            "origins = ['https://example.org/']",
            "origins",
            ["'https://example.org/'"],
        ),
        ("api_keys = ['']", "api_keys", ["key"]),
        ("api_keys = [['secret']]", "api_keys", ["string"]),
        (
            "[admission]\nclient_address_header = 'x-forwarded-for'",
            "admission.client_address_header",
            ["trusted_proxies"],
        ),
    ],
)
def test_an_invalid_value_in_the_file_is_an_error_with_its_place(
    file: Path, text: str, option: str, named: list[str]
) -> None:
    file.write_text(text)
    message = error_of(file)
    assert message.startswith(f"option {option!r} in touchline.toml: ")
    assert [part for part in named if part not in message] == []


def test_a_feed_needs_a_name_that_rooms_can_carry(file: Path) -> None:
    file.write_text("[feeds.Match]\ntopic = 'm'")
    assert error_of(file).startswith("option 'feeds' in touchline.toml: 'Match'")


@pytest.mark.parametrize("kind", ["", "two words", "täp", "tap\\n", "**", "k" * 65])
def test_a_schema_must_be_for_a_valid_kind_of_action(file: Path, kind: str) -> None:
    file.write_text(f'[feeds.match]\ntopic = "m"\naction_schemas = {{ "{kind}" = "x.json" }}')
    assert error_of(file).startswith("option 'feeds.match.action_schemas' in touchline.toml: ")
    file.write_text('[feeds.match]\ntopic = "m"\naction_schemas = { "*" = "x.json", "tap.left-1_" = "x.json" }')
    assert len(load_settings(file).feeds["match"].action_schemas) == 2


def test_a_file_that_is_not_toml_is_an_error_with_the_line(file: Path) -> None:
    file.write_text("port = 1\nhost = \n")
    assert all(part in error_of(file) for part in ("touchline.toml", "line 2, column 8"))


def test_a_missing_file_and_one_that_is_not_text_are_errors(file: Path) -> None:
    assert all(part in error_of(file) for part in ("touchline.toml", "No such file or directory"))
    file.write_bytes(b"edge = '\xff'")
    assert all(part in error_of(file) for part in ("touchline.toml", "UTF-8"))


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("TOUCHLINE_PROT", "1", ["TOUCHLINE_PROT", "TOUCHLINE_PORT?"]),
        ("TOUCHLINE_KAFKA__TSL", "1", ["TOUCHLINE_KAFKA__TSL", "TOUCHLINE_KAFKA__TLS?"]),
        ("touchline_prot", "1", ["touchline_prot", "TOUCHLINE_PORT?"]),
        ("TOUCHLINE_PORT", "-1", ["variable TOUCHLINE_PORT: ", "'-1'"]),
        ("TOUCHLINE_KAFKA", "yes", ["TOUCHLINE_KAFKA", "JSON"]),
        ("TOUCHLINE_KAFKA", '{"tsl": true}', ["TOUCHLINE_KAFKA__TSL"]),
        (
            "TOUCHLINE_SERVICE_HOST",
            "10.0.0.1",
            ["TOUCHLINE_SERVICE_HOST", "enableServiceLinks: false"],
        ),
    ],
)
def test_an_error_in_a_variable_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    message = error_of()
    assert [part for part in named if part not in message] == []


def test_an_error_in_a_flag_names_it() -> None:
    assert error_of(flags={"control_port": 70000}).startswith("flag --control-port: ")


def test_an_error_names_the_source_whose_value_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[kafka]\nsasl_mechanism = 'PLAIN'\n")
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_USERNAME", "u")
    assert error_of(file).startswith("option 'kafka.sasl_mechanism' in touchline.toml: ")
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_MECHANISM", "PLAIN")
    assert error_of(file).startswith("variable TOUCHLINE_KAFKA__SASL_MECHANISM: ")


@pytest.mark.parametrize(
    "name",
    ["WINDOW_S", "ROOM_IDLE_S", "LAG_S_MAX", "HEARTBEAT_S", "SQLITE__RETENTION_S", "KAFKA__CONNECT_TIMEOUT_S"],
)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "1e999"])
def test_an_endless_time_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TOUCHLINE_{name}", value)
    assert error_of().startswith(f"variable TOUCHLINE_{name}: ")


def test_every_number_has_an_upper_bound() -> None:
    huge = 10**400
    for table in (Settings, KafkaSettings, SqliteSettings):
        for name, field in options_of(table).items():
            if field.annotation in (int, float):
                with pytest.raises(ValueError, match=name):
                    TypeAdapter(table).validate_python({name: huge})


@pytest.mark.parametrize("topic", ["", ".", "..", "two words", "tor-für-tor", "line\n", "x" * 250])
def test_a_topic_name_that_kafka_refuses_is_refused(topic: str) -> None:
    assert "feeds" in error_of(flags={"feeds": {"match": {"topic": topic}}})


@pytest.mark.parametrize("topic", ["...", "a", "prod.match-events_2", "x" * 249])
def test_every_topic_name_that_kafka_accepts_is_accepted(topic: str) -> None:
    assert load_settings(flags={"feeds": {"match": {"topic": topic}}}).feeds["match"].topic == topic


@pytest.mark.parametrize("origin", ["*", "null", "https://example.org", "http://localhost:3000", "http://[::1]:80"])
def test_origins_as_browsers_send_them_are_accepted(origin: str) -> None:
    assert load_settings(flags={"origins": [origin]}).origins == [origin]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_KAFKA", '{"sasl_password": ["hush"]}')
    assert "hush" not in error_of()


def test_publishing_without_a_key_from_other_machines_must_be_allowed() -> None:
    assert error_of(flags={"control_host": "0.0.0.0"}).startswith("flag --control-host: ")
    assert not load_settings(flags={"control_host": "0.0.0.0", "publish_without_key": True}).publish_needs_key
    assert load_settings(flags={"control_host": "0.0.0.0", "api_keys": ["k"]}).publish_needs_key


def tables(kind: Any = Settings) -> Iterator[Any]:
    """A table, and those in it."""
    yield kind
    for field in options_of(kind).values():
        if options_of(field.annotation):
            yield from tables(field.annotation)


def test_each_bound_of_a_number_holds() -> None:
    """If a type and an option have a bound of the same kind, pydantic keeps one of them, and forgets the other."""
    checked = set()
    for table in tables():
        for name, field in options_of(table).items():
            for bound in field.metadata:
                for side, beyond in (("ge", -0.001), ("gt", 0), ("le", 0.001), ("lt", 0)):
                    if (limit := getattr(bound, side, None)) is not None:
                        checked.add(name)
                        whole = 1000 if field.annotation is int else 1
                        with pytest.raises(ValueError, match=name):
                            TypeAdapter(table).validate_python({name: limit + whole * beyond})
    assert {"worker_hang_s", "heartbeat_s", "drain_grace_s", "retry_s", "connections_max"} <= checked


def test_the_example_file_loads_as_it_is() -> None:
    assert load_settings(EXAMPLE) == Settings()


def test_the_example_file_shows_every_option_with_its_default(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=\[|\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    shown = tomllib.loads(text)
    filled = tmp_path / "filled.toml"
    filled.write_text(text)
    load_settings(filled)
    differing = {path for path, default in _defaults(Settings) if _at(shown, path) != default}
    without_one_default = {"log", "edge_name", "feeds.match.key_field"} | {
        path
        for path, default in _defaults(Settings)
        if path.startswith(("kafka.", "auth.", "redis.", "keeper.", "tls.")) and default is None
    }
    assert differing <= without_one_default
    assert set(shown["feeds"]) == set(Settings().feeds)


def _defaults(table: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in options_of(table).items():
        kind = field.annotation
        if name == "feeds":
            yield from _defaults(get_args(kind)[1], "feeds.match.")
        elif options_of(kind):
            yield from _defaults(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, "match-events" if prefix + name == "feeds.match.topic" else field.default


def _at(values: dict[str, Any], path: str) -> Any:
    here: Any = values
    for name in path.split("."):
        assert name in here, f"{path} is not in {EXAMPLE.name}"
        here = here[name]
    return here


def test_an_option_with_its_name_from_before_is_an_error_that_names_the_new_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every option that CHANGELOG.md lists as renamed."""
    table = CHANGELOG.partition("Settings, in `touchline.toml`")[2].partition("Rules of cheatwatch")[0]
    rows = re.findall(r"^\| `([\w.]+)(?: = \S+)?` \| `([\w.]+)(?: = \S+)?` \|$", table, re.MULTILINE)
    assert len(rows) > 10
    assert dict(rows) == dict(RENAMED)
    for before, now in rows:
        tables, _, option = before.rpartition(".")
        file.write_text(f"[{tables}]\n{option} = 1" if tables else f"{option} = 1")
        assert f" {now!r}" in error_of(file)
        variable, new_variable = (f"TOUCHLINE_{name.replace('.', '__').upper()}" for name in (before, now))
        monkeypatch.setenv(variable, "1")
        with pytest.raises(OperatorError, match=f"{variable}.* {new_variable}\\b"):
            load_settings()
        monkeypatch.delenv(variable)


def test_the_rates_let_a_client_join_all_of_its_rooms_and_wait_for_a_log_that_is_away(file: Path) -> None:
    """A client that does nothing wrong must not be closed for it, whatever the other settings are."""
    file.write_text("rooms_max = 1500")
    assert "1500" in error_of(file)
    assert "rates.subscribes_burst" in error_of(file)
    file.write_text("rooms_max = 1500\n[rates]\nsubscribes_burst = 1500")
    assert "refusals_burst" in error_of(file)
    file.write_text("rooms_max = 1500\n[rates]\nsubscribes_burst = 1500\nrefusals_burst = 1500")
    assert load_settings(file).rooms_max == 1500
    file.write_text("[rates]\nsubscribes_burst = 99")
    assert "rates.subscribes_burst" in error_of(file)
    file.write_text("[actions]\nwindow = 500\nretry_s = 0.5")
    assert "refusals_per_second_max" in error_of(file)
    assert "1000" in error_of(file)
    file.write_text("[actions]\nwindow = 500\nretry_s = 0.5\n[rates]\nrefusals_per_second_max = 1000")
    assert load_settings(file).actions.window == 500
