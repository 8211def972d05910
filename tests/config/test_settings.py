"""The settings: where they come from, which source wins, and that every mistake is one line that says where it is."""

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
from touchline_server.config.tables import FeedSettings, KafkaSettings, SqliteSettings
from touchline_server.config.variables import CONFIG_VARIABLE, ENV_PREFIX

EXAMPLE = Path(__file__).parents[2] / "deploy" / "touchline.toml"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file, named without its folder in messages."""
    monkeypatch.chdir(tmp_path)
    return Path("touchline.toml")


def mistake(file: Path | None = None, flags: dict[str, Any] | None = None) -> str:
    with pytest.raises(OperatorError) as error:
        load_settings(file, flags)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.port, settings.control_port, settings.publish_needs_key) == (8080, 8081, False)
    assert settings.log.startswith("sqlite:///")
    assert settings.feeds == {"match": FeedSettings(topic="match-events"), "score": FeedSettings(topic="score-events")}


def test_a_flag_wins_over_a_variable_and_that_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('port = 1\nrooms_max = 1\nedge_name = "a"\n[kafka]\ntls = true\nepoch_check_s = 1\n')
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    monkeypatch.setenv("TOUCHLINE_ROOMS_MAX", "2")
    monkeypatch.setenv("TOUCHLINE_KAFKA__EPOCH_CHECK_S", "2")
    settings = load_settings(file, {"port": 3, "host": None})
    assert (settings.port, settings.rooms_max, settings.edge_name, settings.host) == (3, 2, "a", "127.0.0.1")
    assert settings.kafka == KafkaSettings(tls=True, epoch_check_s=2)


def test_the_value_that_loses_may_be_wrong(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('port = "none"')
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    assert load_settings(file).port == 2


def test_a_variable_names_the_file_unless_a_flag_does(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("port = 1")
    Path("other.toml").write_text("port = 2")
    monkeypatch.setenv(CONFIG_VARIABLE, "other.toml")
    assert load_settings().port == 2
    assert load_settings(file).port == 1


def test_settings_made_in_code_look_at_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_PORT", "2")
    assert Settings(rooms_max=3).port == 8080


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
    ("text", "option", "meant"),
    [
        ("prot = 1", "prot", "port"),
        ("[kafka]\ntsl = true", "kafka.tsl", "kafka.tls"),
        ("[feeds.match]\ntopik = 'm'", "feeds.match.topik", "feeds.match.topic"),
        ("xyzzy = 1", "xyzzy", None),
        ("_env_file = 'x'", "_env_file", None),
        ("port.x = 1", "port.x", None),
    ],
)
def test_an_unknown_option_is_told_with_what_was_meant(file: Path, text: str, option: str, meant: str | None) -> None:
    file.write_text(text)
    hint = f"; did you mean {meant!r}?" if meant else ""
    assert mistake(file) == f"unknown option {option!r} in touchline.toml{hint}"


@pytest.mark.parametrize(
    ("text", "option", "says"),
    [
        ("port = 80800", "port", "must be less than or equal to 65535, not 80800"),
        ("port = 'x'", "port", "must be a valid integer, unable to parse string as an integer, not 'x'"),
        ("kafka = 3", "kafka", "must be a table, not 3"),
        ("[feeds.match]", "feeds.match.topic", "is missing"),
        ("feeds = {}", "feeds", 'at least one feed is needed, as [feeds.match] with topic = "match-events"'),
        ("[feeds.a]\ntopic = 'm'\n[feeds.b]\ntopic = 'm'", "feeds", "two feeds cannot have one topic"),
        ("[kafka]\nsasl_mechanism = 'PLAIN'", "kafka.sasl_mechanism", "needs sasl_username and sasl_password"),
        ("[kafka]\ncert_file = 'c'", "kafka.cert_file", "needs the key_file that belongs to it"),
        ("[kafka]\nkey_file = 'k'", "kafka.key_file", "needs the cert_file that it belongs to"),
        (
            "[auth]\nmode = 'token'",
            "auth.mode",
            "needs hs256_secret, public_keys or jwks: without any, nobody could be let in",
        ),
        (
            "[auth]\nhs256_secret = 'short'",
            "auth.hs256_secret",
            "a secret for HS256 has at least 32 bytes (RFC 7518): make a longer one",
        ),
        (
            "[verdicts]\ntopic = 'score-events'",
            "verdicts.topic",
            "score-events is the topic of feeds.score already: each needs its own",
        ),
        ("window_s = nan", "window_s", "must be a finite number, not nan"),
        ("room_idle_s = 1e300", "room_idle_s", "must be less than or equal to 315360000, not 1e+300"),
        ("lag_s_max = 0", "lag_s_max", "must be greater than 0, not 0"),
        ("heartbeat_s = 86400.1", "heartbeat_s", "must be less than or equal to 86400, not 86400.1"),
        (
            "[kafka]\nconnect_timeout_s = 1e6",
            "kafka.connect_timeout_s",
            "must be less than or equal to 86400, not 1000000.0",
        ),
        (
            "[feeds.match]\ntopic = 'a/b'",
            "feeds.match.topic",
            "'a/b' cannot name a topic: 1 to 249 letters, digits, '.', '_' and '-', not '.' or '..'",
        ),
        (
            "origins = ['https://example.org/']",
            "origins",
            "'https://example.org/' is no origin: write https://example.org, without a path, or * for all",
        ),
        ("api_keys = ['']", "api_keys", "a key is empty or has a space in it: write keys without spaces"),
        ("api_keys = [['secret']]", "api_keys", "must be a valid string"),
    ],
)
def test_a_wrong_value_in_the_file_is_told_with_its_place(file: Path, text: str, option: str, says: str) -> None:
    file.write_text(text)
    assert mistake(file) == f"option {option!r} in touchline.toml: {says}"


def test_a_feed_needs_a_name_that_rooms_can_carry(file: Path) -> None:
    file.write_text("[feeds.Match]\ntopic = 'm'")
    assert mistake(file).startswith("option 'feeds' in touchline.toml: 'Match' cannot name a feed: a lower-case letter")


@pytest.mark.parametrize("kind", ["", "two words", "täp", "tap\\n", "**", "k" * 65])
def test_a_schema_is_for_a_kind_that_actions_can_have(file: Path, kind: str) -> None:
    file.write_text(f'[feeds.match]\ntopic = "m"\naction_schemas = {{ "{kind}" = "x.json" }}')
    told = mistake(file)
    assert told.startswith("option 'feeds.match.action_schemas' in touchline.toml: no action can have the kind '")
    assert "\n" not in told
    file.write_text('[feeds.match]\ntopic = "m"\naction_schemas = { "*" = "x.json", "tap.left-1_" = "x.json" }')
    assert len(load_settings(file).feeds["match"].action_schemas) == 2


def test_a_file_that_is_not_toml_is_told_with_the_line(file: Path) -> None:
    file.write_text("port = 1\nhost = \n")
    assert mistake(file) == (
        "the configuration file touchline.toml is not valid TOML: Invalid value (at line 2, column 8)"
    )


def test_a_file_that_is_not_there_or_no_text_is_told(file: Path) -> None:
    assert mistake(file) == "the configuration file touchline.toml cannot be read: No such file or directory"
    file.write_bytes(b"edge = '\xff'")
    assert mistake(file).startswith("the configuration file touchline.toml is not valid TOML: 'utf-8' codec")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TOUCHLINE_PROT", "1", "unknown variable TOUCHLINE_PROT; did you mean TOUCHLINE_PORT?"),
        ("TOUCHLINE_KAFKA__TSL", "1", "unknown variable TOUCHLINE_KAFKA__TSL; did you mean TOUCHLINE_KAFKA__TLS?"),
        ("touchline_prot", "1", "unknown variable touchline_prot; did you mean TOUCHLINE_PORT?"),
        ("TOUCHLINE_PORT", "-1", "variable TOUCHLINE_PORT: must be greater than or equal to 0, not '-1'"),
        ("TOUCHLINE_KAFKA", "yes", "variable TOUCHLINE_KAFKA must be JSON, or one variable for each option"),
        ("TOUCHLINE_KAFKA", '{"tsl": true}', "variable TOUCHLINE_KAFKA__TSL: there is no such option"),
        (
            "TOUCHLINE_SERVICE_HOST",
            "10.0.0.1",
            "unknown variable TOUCHLINE_SERVICE_HOST, which Kubernetes sets for a service named touchline: "
            "set enableServiceLinks: false in the pod's spec",
        ),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    assert mistake() == says


def test_a_mistake_in_a_flag_is_told_with_its_name() -> None:
    assert mistake(flags={"control_port": 70000}) == (
        "flag --control-port: must be less than or equal to 65535, not 70000"
    )


def test_the_source_that_is_told_is_the_one_that_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[kafka]\nsasl_mechanism = 'PLAIN'\n")
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_USERNAME", "u")
    assert mistake(file).startswith("option 'kafka.sasl_mechanism' in touchline.toml: ")
    monkeypatch.setenv("TOUCHLINE_KAFKA__SASL_MECHANISM", "PLAIN")
    assert mistake(file).startswith("variable TOUCHLINE_KAFKA__SASL_MECHANISM: ")


@pytest.mark.parametrize(
    "name",
    ["WINDOW_S", "ROOM_IDLE_S", "LAG_S_MAX", "HEARTBEAT_S", "SQLITE__RETENTION_S", "KAFKA__CONNECT_TIMEOUT_S"],
)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "1e999"])
def test_a_time_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TOUCHLINE_{name}", value)
    assert mistake().startswith(f"variable TOUCHLINE_{name}: must be ")


def test_every_number_has_an_upper_bound() -> None:
    huge = 10**400
    for table in (Settings, KafkaSettings, SqliteSettings):
        for name, field in options_of(table).items():
            if field.annotation in (int, float):
                with pytest.raises(ValueError, match=name):
                    TypeAdapter(table).validate_python({name: huge})


@pytest.mark.parametrize("topic", ["", ".", "..", "two words", "tor-für-tor", "line\n", "x" * 250])
def test_a_topic_that_kafka_would_not_make_is_refused(topic: str) -> None:
    assert "cannot name a topic" in mistake(flags={"feeds": {"match": {"topic": topic}}})


@pytest.mark.parametrize("topic", ["...", "a", "prod.match-events_2", "x" * 249])
def test_every_topic_that_kafka_would_make_is_taken(topic: str) -> None:
    assert load_settings(flags={"feeds": {"match": {"topic": topic}}}).feeds["match"].topic == topic


@pytest.mark.parametrize("origin", ["*", "null", "https://example.org", "http://localhost:3000", "http://[::1]:80"])
def test_what_browsers_send_is_taken_as_an_origin(origin: str) -> None:
    assert load_settings(flags={"origins": [origin]}).origins == [origin]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_KAFKA", '{"sasl_password": ["hush"]}')
    assert "hush" not in mistake()


def test_publishing_without_a_key_from_beyond_this_machine_must_be_meant() -> None:
    assert mistake(flags={"control_host": "0.0.0.0"}).startswith(
        "flag --control-host: 0.0.0.0 is reached from elsewhere"
    )
    assert not load_settings(flags={"control_host": "0.0.0.0", "publish_without_key": True}).publish_needs_key
    assert load_settings(flags={"control_host": "0.0.0.0", "api_keys": ["k"]}).publish_needs_key


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
        path for path, default in _defaults(Settings) if path.startswith(("kafka.", "auth.")) and default is None
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
