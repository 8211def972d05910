"""Secrets that a user gives in the wrong place are in no error, whatever the command and the option."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.log_lines import log_lines
from touchline_cheatwatch.cli.app import run as run_cheatwatch
from touchline_protocol.errors import OperatorError
from touchline_server.cli.app import run
from touchline_server.config.loading import has_secret, load_settings, options_of
from touchline_server.config.settings import Settings
from touchline_server.node.process_log import log_start

HUSH = "hush"
URLS = (f"kafka://user:{HUSH}@h:1", f"redis://:{HUSH}@h", f"http://user:{HUSH}@127.0.0.1:1", f"ws://h/ws?token={HUSH}")
BARE = (f"user:{HUSH}@h:9092", f"//user:{HUSH}@h", f"u:{HUSH}@a:1,u:{HUSH}@b:2", f"h:1?password={HUSH}")
"""Addresses whose scheme was left out."""

COMMANDS = (
    "serve --log {url} --port 0 --control-port 0",
    "serve --host {url}",
    "serve --port {url}",
    "serve --config {url}",
    "publish match:1 1 --url {url}",
    "publish match:1 1 --log {url}",
    "tail match:1 --log {url}",
    "tail match:1 --after {url}",
    "topics --log {url}",
    "salvage {url} new.db",
    "replay {url}",
    "replay match-7.json --url {url}",
    "simulate --log {url}",
    "demo --port {url}",
    "{url}",
)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOUCHLINE_KAFKA__CONNECT_TIMEOUT_S", "1")


@pytest.mark.outside
@pytest.mark.parametrize("url", [*URLS, *BARE, f"kafka://h:1?password={HUSH}", f"kafka://h:1?x={HUSH}"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_error_of_a_command_has_a_password(command: str, url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([part.format(url=url) for part in command.split()]) == 2
    out, err = capfd.readouterr()
    assert (HUSH in out, HUSH in err) == (False, False), err
    assert err.count("touchline: ") == 1


@pytest.mark.parametrize("url", [f"ws://user:{HUSH}@h:99999/ws", f"ws://user:{HUSH}@h/ws#x", *URLS[:3]])
def test_no_error_about_an_edges_address_has_a_password(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["tail", "match:1", "--url", url]) == 2
    assert HUSH not in capfd.readouterr().err


@pytest.mark.parametrize("key", [f"{HUSH} {HUSH}", f"{HUSH}\n", f"{HUSH}ü"])
def test_no_error_about_a_key_has_the_key(key: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", "match:1", "1", "--url", "http://127.0.0.1:1", "--api-key", key]) == 2
    assert HUSH not in capfd.readouterr().err


@pytest.mark.parametrize("url", [*URLS[:2], *BARE])
def test_no_error_of_cheatwatch_has_a_password(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cheatwatch(["watch", "--log", url]) == 2
    assert HUSH not in capfd.readouterr().err


def paths(table: Any = Settings, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every option, as its tables and its name."""
    found: list[tuple[str, ...]] = []
    for name, field in options_of(table).items():
        inner = paths(field.annotation, (*prefix, name)) if options_of(field.annotation) else []
        found += inner or [(*prefix, name)]
    return found


WRONG = (f"kafka://user:{HUSH}@h", [f"kafka://user:{HUSH}@h", {}], {"x": [f"https://user:{HUSH}@h"]}, -1)


def error_of(load: Callable[[], object]) -> str:
    """The error that loading settings fails with; empty if it does not."""
    try:
        load()
    except (OperatorError, ValueError) as error:
        return f"{error} {error!r}"
    return ""


@pytest.mark.parametrize("path", paths(), ids=".".join)
def test_no_error_about_a_setting_has_a_secret(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    is_secret = has_secret(path)
    for value in (*WRONG, HUSH, [HUSH, 1]) if is_secret else WRONG:
        nested: dict[str, Any] = {path[-1]: value}
        for name in reversed(path[:-1]):
            nested = {name: nested}
        errors = [error_of(partial(load_settings, flags=nested))]
        with monkeypatch.context() as patch:
            patch.setenv("TOUCHLINE_" + "__".join(path).upper(), value if isinstance(value, str) else json.dumps(value))
            errors.append(error_of(load_settings))
        if is_secret:
            errors.append(error_of(partial(Settings, **nested)))
        assert [error for error in errors if HUSH in error] == [], value


@pytest.mark.parametrize("url", [*URLS, *BARE])
def test_the_line_about_the_start_has_no_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "touchline")
    log_start(Settings(log=url), open_files_max=1024)
    (line,) = log_lines(caplog, "server_starting")
    assert "log" in line["changed_settings"]
    assert HUSH not in str(line)


def test_the_settings_show_no_secret() -> None:
    kafka = {"sasl_mechanism": "PLAIN", "sasl_username": "ada", "cert_file": "c", "key_file": "k"}
    secret = {"api_keys": [HUSH], "auth": {"hs256_secret": HUSH * 8}}
    settings = Settings(**secret, kafka=kafka | {"sasl_password": HUSH, "key_password": HUSH})  # type: ignore[arg-type]
    assert (settings.kafka.sasl_password, settings.api_keys) == (HUSH, [HUSH])
    assert HUSH not in f"{settings!r}{settings}{settings.auth!r}{settings.kafka!r}"
