"""docs/kafka.md: its settings are loaded, its provider is run, and its commands are those that tests run."""

import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from project.test_readme import AT_KAFKA, runs
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_kafka.access.token_source import TokenSource
from touchline_kafka.access.tokens import TokenRefused, load_provider
from touchline_kafka.address import servers_of
from touchline_kafka.security import Security
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [text for language, text in SNIPPETS if language == "toml"]
PASSWORD = "TOUCHLINE_KAFKA__SASL_PASSWORD"

COMMANDS = {
    "touchline serve --log kafka://kafka-spare.example.com:9092": AT_KAFKA,
    "touchline topics --create": AT_KAFKA,
    "pip install aws-msk-iam-sasl-signer-python": None,  # of a managed service
}


def services() -> list[tuple[str, str]]:
    """The rows of the table of services: the name, and what it says of the settings."""
    section = PAGE.partition("\n## Providers\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [(name.strip(), text) for name, text in rows[2:]]


def settings_in(text: str) -> dict[str, object]:
    """The settings that a text names: those with a value, and others with one that their type allows."""
    found: dict[str, object] = {"tls": True}
    for code in re.findall(r"`([^`]+)`", text):
        name, equals, _ = code.partition(" = ")
        if equals:
            found |= tomllib.loads(code)
        elif name in Security.__dataclass_fields__:
            is_url, is_table = name.endswith("_url"), name.endswith("_extensions")
            found[name] = "https://example.com" if is_url else {"logicalCluster": "lkc-1"} if is_table else "x"
    return found


def test_the_page_has_snippets_of_the_known_kinds_only() -> None:
    assert {language for language, _ in SNIPPETS} == {"toml", "python", "properties", "sh", "json"}
    assert len(TABLES) >= 5


@pytest.mark.parametrize("text", TABLES)
def test_the_server_and_cheatwatch_load_every_table(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tomllib.loads(text)["kafka"]
    file = tmp_path / "shown.toml"
    file.write_text(text, "utf-8")
    if "sasl_username" in shown:
        monkeypatch.setenv(PASSWORD, "hush")
    settings = load_settings(file).kafka
    assert {name: getattr(settings, name) for name in shown} == shown
    # Cheatwatch reads no variables.
    file.write_text(text + 'sasl_password = "hush"\n' * ("sasl_username" in shown), "utf-8")
    rules = load_rule_set(file).kafka
    assert {name: getattr(rules, name) for name in shown} == shown


@pytest.mark.parametrize(("name", "text"), services(), ids=[name for name, _ in services()])
def test_the_settings_for_a_service_are_complete(name: str, text: str) -> None:
    settings = settings_in(text)
    assert "sasl_mechanism" in settings
    assert Settings.model_validate({"kafka": settings}).kafka.sasl_mechanism == settings["sasl_mechanism"]
    if provider := settings.get("sasl_oauth_provider"):
        load_provider(str(provider))


@pytest.fixture
def company_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The provider of the page, in a folder of Python's path, with a file for its token."""
    ((_, code),) = [snippet for snippet in SNIPPETS if snippet[0] == "python"]
    (tmp_path / "company_tokens.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "company_tokens", raising=False)
    module = __import__("company_tokens")
    monkeypatch.setattr(module, "FILE", tmp_path / "token")
    return module


async def test_the_provider_of_the_page_returns_tokens(company_tokens: ModuleType) -> None:
    (table,) = [text for text in TABLES if "company_tokens" in text]
    path = tomllib.loads(table)["kafka"]["sasl_oauth_provider"]
    company_tokens.FILE.write_text("abc.def\n", "ascii")
    token = await TokenSource(load_provider(path), path).current()
    assert (token.value, token.principal) == ("abc.def", "edge")
    company_tokens.FILE.write_text("", "ascii")
    with pytest.raises(TokenRefused):
        await TokenSource(load_provider(path), path).current()


def test_every_command_on_the_page_is_run_by_a_test() -> None:
    commands = [code for code in re.findall(r"`((?:touchline|cheatwatch|pip) [^`]+)`", PAGE) if "{" not in code]
    assert set(commands) == COMMANDS.keys()
    assert all(runner is None or runs(runner, command) for command, runner in COMMANDS.items())


def test_the_policy_for_msk_names_each_topic_and_the_group_with_what_a_server_does_there() -> None:
    (text,) = [text for language, text in SNIPPETS if language == "json"]
    granted: dict[str, set[str]] = {}
    for statement in json.loads(text)["Statement"]:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            granted.setdefault(resource.partition(":111122223333:")[2], set()).update(statement["Action"])
    settings = Settings.model_validate({"presence": {"records": True}, "workers": 1})
    feeds = {feed.topic for feed in settings.feeds.values()}
    reads, writes = {*feeds, settings.verdicts.topic}, {*feeds, settings.actions.topic, settings.presence.topic}
    described = {"kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"}
    for topic in reads | writes:
        wanted = {"kafka-cluster:ReadData"} if topic in reads else set()
        wanted |= {"kafka-cluster:WriteData"} if topic in writes else set()
        assert granted.pop(f"topic/live/*/{topic}") == described | wanted
    assert granted.pop(f"group/live/*/{settings.redis.prefix}-keeper") == {
        "kafka-cluster:AlterGroup",
        "kafka-cluster:DescribeGroup",
    }
    assert granted.keys() == {"cluster/live/*"}
    assert "kafka-cluster:WriteDataIdempotently" in granted["cluster/live/*"]


def test_the_addresses_for_msk_are_valid() -> None:
    (command,) = [text for language, text in SNIPPETS if language == "sh"]
    assert len(servers_of(command.split("--log ")[1].strip())) == 2


def test_the_mirror_copies_the_topics_that_clients_read() -> None:
    (text,) = [text for language, text in SNIPPETS if language == "properties"]
    options = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line and not line.startswith("#"))
    defaults = Settings()
    topics = {feed.topic for feed in defaults.feeds.values()} | {defaults.verdicts.topic}
    assert set(options["main->spare.topics"].split(", ")) == topics
