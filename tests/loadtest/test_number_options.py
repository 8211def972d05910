"""Numbers that no run can be made from are refused at once, by every command and every option."""

from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

from touchline_loadtest.cli.app import run
from touchline_loadtest.cli.commands import COMMANDS

REQUIRED = {
    "feed": ["evening", "--kafka", "127.0.0.1:1"],
    "plan": ["--viewers", "10", "--rooms", "1", "--events-per-s", "1", "--bytes", "100"],
    "swarm": ["--url", "ws://127.0.0.1:1/ws", "--rooms", "score:1"],
}
COMMANDS_WITH_NUMBERS = ("avalanche", "bench", "costs", "feed", "many-rooms", "peers", "plan", "run", "swarm")
WRONG: dict[type, list[str]] = {
    float: ["nan", "inf", "-inf", "-1", "1e300"],
    int: ["-1", "1" + "0" * 30],
}
ANY = {"--seed", "--start-edges"}
"""Every seed is one, and ``--start-edges`` goes with other options."""


def number_options() -> list[tuple[str, str, type]]:
    """Every option that is a number: the command, its name, and what kind of number."""
    found = []
    for name in COMMANDS_WITH_NUMBERS:
        module, _, function = COMMANDS[name].target.partition(":")
        app, implementation = typer.Typer(add_completion=False), getattr(import_module(module), function)
        app.command()(implementation)
        types = get_type_hints(implementation)
        for parameter in typer.main.get_command(app).params:
            kinds = [kind for kind in WRONG if kind in {types[parameter.name], *get_args(types[parameter.name])}]
            found += [(name, parameter.opts[0], kind) for kind in kinds if parameter.opts[0] not in ANY]
    return found


@pytest.mark.parametrize(("command", "option", "kind"), number_options())
def test_a_number_that_makes_no_sense_is_an_error_that_names_its_option(
    command: str,
    option: str,
    kind: type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = ["--swarm", "100"] if option == "--swarm-processes" else []
    for value in WRONG[kind]:
        code = run([command, *REQUIRED.get(command, []), *beside, option, value])
        error = capsys.readouterr().err
        assert code == 2, (value, error)
        assert option in error
        assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "rooms", ["score:9..1", "score:1..99999999999", "score:1.." + "9" * 5000, "score:1..600000,match:1..600000"]
)
def test_a_range_of_rooms_that_is_reversed_or_enormous_is_refused(
    rooms: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["swarm", "--url", "ws://127.0.0.1:1/ws", "--rooms", rooms]) == 2
    assert rooms.rsplit(",", maxsplit=1)[-1] in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "0-5", "5-1", "1-1000000", "9" * 5000])
def test_a_client_is_in_one_room_or_a_few(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--url", "ws://127.0.0.1:1/ws", "--rooms", "score:1..9", "--rooms-per-client", count]
    assert run(["swarm", *arguments]) == 2
    assert count in capsys.readouterr().err
