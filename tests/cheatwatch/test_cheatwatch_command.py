"""The command line: what `evaluate` finds, every command of the README, and errors in one line with exit code 2."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import touchline.actions
from cheatwatch.acting import Did, at
from cheatwatch.command import README, the_command
from cheatwatch.command import run as run_process
from project.test_readme import ROOT, commands_in, runs
from touchline_cheatwatch.cli.app import run
from touchline_cheatwatch.cli.options import ACTIONS_TOPIC
from touchline_cheatwatch.engine import Engine, verdicts_of
from touchline_cheatwatch.evaluation.bots import BOTS
from touchline_cheatwatch.exit_codes import RULES_FAILED, USER_ERROR
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_protocol.version import __version__

NOBODY = "kafka://127.0.0.1:1"
"""Nothing listens there: the port is reserved, and lower than those that tests get."""


def test_the_built_in_rules_catch_every_bot_and_no_honest_player(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--players", "100", "--minutes", "10", "--no-scenarios", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["players_accused"], result["accused"]) == (0, {})
    assert result["actions"] > 30_000
    assert {bot["bot"] for bot in result["bots"]} == set(BOTS)
    assert all(bot["bots"] >= 4 for bot in result["bots"])


def test_rules_for_other_actions_than_are_simulated_can_be_tried_with_watch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.guesses]\nclass = "touchline_cheatwatch.rules.rate:Rate"\nkinds = ["guess"]\n')
    assert run(["evaluate", "--rules", str(rules)]) == USER_ERROR
    err = capsys.readouterr().err
    command = err[err.index("cheatwatch watch") :].partition(";")[0]
    assert run([*shlex.split(command)[1:], "--help"]) == 0  # its options exist
    assert {"guess", "--group", "--verdicts-topic"} <= set(err.replace(",", "").split())


def test_the_seed_determines_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for seed in ("7", "7", "8"):
        run(["evaluate", "--players", "10", "--minutes", "2", "--no-scenarios", "--json", "--seed", seed])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]


@pytest.mark.parametrize(
    ("line", "misses", "accuses"),
    [("rate_max = 1000", True, False), ("rate_max = 0.01\nburst_max = 1", False, True)],
)
def test_a_rule_set_that_is_too_mild_or_too_harsh_fails(
    line: str, misses: bool, accuses: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[rules.fast]\nclass = "touchline_cheatwatch.rules.rate:Rate"\n{line}\n')
    args = ["evaluate", "--players", "20", "--minutes", "2", "--no-scenarios", "--rules", str(rules)]
    assert run([*args, "--json"]) == RULES_FAILED
    result = json.loads(capsys.readouterr().out)
    (bot,) = result["bots"]
    assert (bot["rule"], bot["caught"] == 0, result["players_accused"] > 10) == ("fast", misses, accuses)
    assert run(args) == RULES_FAILED
    assert f"{result['players_accused']} of 20" in capsys.readouterr().out


def test_the_readmes_evaluation_can_be_run() -> None:
    """At a smaller size: the numbers in the README are those of the command as written there."""
    command = the_command("cheatwatch evaluate --players")
    command[command.index("--players") + 1] = "20"
    command[command.index("--minutes") + 1] = "2"
    done = run_process(*command, "--no-scenarios")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 of 20" in done.stdout
    assert "(0.00%)" in done.stdout


def test_the_readmes_evaluation_of_a_file_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    size = ("--players", "20", "--minutes", "2", "--no-scenarios")
    assert run([*the_command("cheatwatch evaluate --rules"), *size]) == 0


def test_it_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"cheatwatch {__version__}\n"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("wach", ["'wach'"]),
        ("watch", ["--log"]),
        ("watch --log redis://x", ["'redis://x'"]),
        (f"watch --log {NOBODY} --rules nothing.toml", ["nothing.toml"]),
        (f"watch --log {NOBODY} --rules bad.toml", ["'rule'", "bad.toml", "'rules'"]),
        (f"watch --log {NOBODY} --feeds match", ["--feeds", "'match'", "match=match-events"]),
        (f"watch --log {NOBODY} --rules ca.toml", ["nothing.pem"]),
        (f"watch --log {NOBODY} --metrics-port 70000", ["--metrics-port"]),
        ("evaluate --players 0", ["--players"]),
        (f"verdict ann kick --log {NOBODY}", ["KIND", "kick"]),
        (f"verdict 'an n' ban --log {NOBODY}", ["'an n'", "128"]),
        (f"verdict ann pardon --seconds 5 --log {NOBODY}", ["pardon", "--seconds", "--until"]),
        (f"verdict ann ban --seconds 5 --until 2030-01-01 --log {NOBODY}", ["--seconds", "--until"]),
        (f"verdict ann ban --until soon --log {NOBODY}", ["--until", "'soon'", "2030-01-31T20:00+01:00"]),
        (f"verdict ann ban --until 2020-01-01 --log {NOBODY}", ["--until", "2020-01-01"]),
        (f"verdict ann ban --reason {'x' * 501} --log {NOBODY}", ["--reason", "500", "501"]),
    ],
)
def test_an_error_is_one_line_that_names_what_is_wrong(
    line: str, named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text("[rule.fast]")
    Path("ca.toml").write_text('[kafka]\ntls = true\nca_file = "nothing.pem"')
    assert run(shlex.split(line)) == USER_ERROR
    err = capsys.readouterr().err
    assert err.startswith("cheatwatch: ")
    assert err.count("\n") == 1
    assert [name for name in named if name not in err] == []


HEAVY = ["aiokafka", "prometheus_client", "rich.console", "websockets", "touchline_cheatwatch.engine"]


@pytest.mark.parametrize("line", ["--help", "watch --help", "evaluate --help", "verdict --help", "wach", "watch"])
def test_help_and_errors_in_options_load_nothing_that_they_do_not_need(line: str) -> None:
    code = f"""
import sys
from touchline_cheatwatch.cli.app import run
from touchline_cheatwatch.cli.options import ACTIONS_TOPIC
run({line.split()!r})
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_default_topic_of_actions_is_the_sdks() -> None:
    assert ACTIONS_TOPIC == touchline.actions.TOPIC


@pytest.mark.parametrize("command", ["verdict ann ban", "watch"])
def test_an_unreachable_kafka_is_one_line_that_names_our_own_options(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("touchline_cheatwatch.kafka_sources.CONNECT_TIMEOUT_S", 0.2)
    assert run([*command.split(), "--log", NOBODY]) == USER_ERROR
    err = capsys.readouterr().err
    assert err.startswith("cheatwatch: ")
    assert [name for name in ("127.0.0.1:1", "tls", "sasl_mechanism", "[kafka]", "--rules") if name not in err] == []
    assert err.count("\n") == 1


HERE = "tests/cheatwatch/test_cheatwatch_command.py"
AT_KAFKA = "tests/cheatwatch/test_cheatwatch_kafka.py::test_the_readmes_commands_work_one_after_the_other"
COMMANDS = {
    "cheatwatch watch --log kafka://localhost:9092": AT_KAFKA,
    "cheatwatch watch --log kafka://localhost:9092 --rules deploy/cheatwatch.toml --json --metrics-port 9464": AT_KAFKA,
    "cheatwatch verdict player-17 pardon --log kafka://localhost:9092": AT_KAFKA,
    'cheatwatch verdict player-17 ban --seconds 86400 --reason "Come back tomorrow." --log kafka://localhost:9092': (
        AT_KAFKA
    ),
    "cheatwatch evaluate --players 1000 --minutes 10 --seed 1": f"{HERE}::test_the_readmes_evaluation_can_be_run",
    "cheatwatch evaluate --rules deploy/cheatwatch.toml": f"{HERE}::test_the_readmes_evaluation_of_a_file_can_be_run",
}


def test_every_command_of_the_readme_has_a_test_that_runs_it() -> None:
    assert commands_in(README.read_text("utf-8")) == list(COMMANDS)
    assert {command: runner for command, runner in COMMANDS.items() if not runs(runner, command)} == {}


def test_the_rule_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = README.read_text("utf-8")
    for language, name in (("toml", "rules.toml"), ("python", "my_rules.py")):
        found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert found is not None
        Path(name).write_text(found[1])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    engine = Engine(load_rule_set(Path("rules.toml")).rules)
    outcomes = [engine.judge(Did(5, "predict"), at(5)) for _ in range(3)]
    assert [len(found) for found in outcomes] == [0, 0, 1]
    ((player, verdict, _),) = verdicts_of(outcomes[2])
    assert (player, verdict.kind, verdict.evidence["early"]) == ("ann", "warn", 3)
