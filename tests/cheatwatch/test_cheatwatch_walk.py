"""Each command as a newcomer meets it: without a terminal and with one, with own rules, few players, endless verdicts.

It says what it waits for, what it did, what it did not do, and why it fails.
"""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from cheatwatch.command import COMMAND, run_beside
from cheatwatch.command import run as run_process
from support.processes import environment
from touchline_cheatwatch.cli import evaluation_report
from touchline_cheatwatch.cli.app import run
from touchline_cheatwatch.evaluation.scenarios import SCENARIOS
from touchline_cheatwatch.exit_codes import RULES_FAILED, USER_ERROR

OWN = """
from typing import ClassVar
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.types import Finding

class Memory:
    pass

class Early(Rule[Memory], frozen=True, kw_only=True):
    State: ClassVar[type[Memory]] = Memory
    accuse: bool = False

    def judge(self, action, state, room):
        return Finding({}) if self.accuse else None
"""
NOBODY = "kafka://127.0.0.1:1"
EVALUATE = ["evaluate", "--players", "10", "--minutes", "1", "--no-scenarios"]


def rule_set(folder: Path, module: str, *lines: str) -> Path:
    (folder / f"{module}.py").write_text(OWN)
    file = folder / "rules.toml"
    file.write_text("\n".join(["[rules.early]", f'class = "{module}:Early"', *lines]))
    return file


def test_a_rule_of_ones_own_is_found_beside_the_rule_set_and_its_evaluation_says_what_it_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = rule_set(tmp_path, "beside_the_rules", 'kinds = ["tap"]')
    assert run([*EVALUATE, "--rules", str(file), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["bots"], result["failures"]) == ([], [])
    (note,) = result["notes"]
    assert "early" in note
    assert run([*EVALUATE, "--rules", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "early" in shown
    assert "note: " in shown


def test_a_rule_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    file = rule_set(tmp_path / "rules", "of_the_directory")
    (tmp_path / "rules" / "of_the_directory.py").rename(tmp_path / "of_the_directory.py")
    monkeypatch.chdir(tmp_path)
    assert run([*EVALUATE, "--rules", str(file)]) == 0


def test_a_module_that_is_not_found_is_one_line_that_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "here").mkdir()
    file = rule_set(tmp_path / "rules", "present", 'kinds = ["tap"]')
    file.write_text(file.read_text().replace("present", "absent"))
    monkeypatch.chdir(tmp_path / "here")
    assert run([*EVALUATE, "--rules", str(file)]) == USER_ERROR
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    named = ("absent", str(tmp_path / "rules"), str(tmp_path / "here"), str(file))
    assert [name for name in named if name not in error] == []


def test_an_evaluation_that_would_try_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = rule_set(tmp_path, "of_other_kinds", 'kinds = ["predict"]')
    assert run([*EVALUATE, "--rules", str(file)]) == USER_ERROR
    error = capsys.readouterr().err
    assert [kind for kind in ("predict", "tap", "move", "react", "score") if kind not in error] == []


def test_an_evaluation_that_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = rule_set(tmp_path, "that_accuses", "accuse = true")
    assert run([*EVALUATE, "--rules", str(file)]) == RULES_FAILED
    (failure,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: ")]
    assert "early" in failure
    assert "10 of 10" in failure


@pytest.mark.parametrize("seed", ["1", "2"])
def test_with_few_players_one_bot_that_escapes_is_chance(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """There are four bots of a kind. Within one minute many escape: the reasons name each kind and count."""
    code = run([*EVALUATE, "--seed", seed, "--json"])
    result = json.loads(capsys.readouterr().out)
    missed = [bot for bot in result["bots"] if bot["bots"] - bot["caught"] > 1]
    assert code == (RULES_FAILED if missed or result["players_accused"] else 0)
    for bot in missed:
        (why,) = [line for line in result["failures"] if f" {bot['bot']}:" in line]
        assert f"{bot['caught']} of {bot['bots']}" in why


@pytest.mark.parametrize("names", [["edges 45 s apart"], pytest.param(list(SCENARIOS), marks=pytest.mark.long)])
def test_an_evaluation_tries_the_scenarios_too(
    names: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation_report, "SCENARIOS", {name: SCENARIOS[name] for name in names})
    args = ["evaluate", "--players", "2", "--minutes", "1"]
    run([*args, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert list(result["scenarios"]) == names
    assert all(one["players"] == 2 and one["actions"] > 0 for one in result["scenarios"].values())
    run(args)
    shown = capsys.readouterr().out
    assert [name for name in names if name not in shown] == []


@pytest.mark.parametrize("until", ["0001-01-01", "0001-01-01T00:00+14:00", "1969-12-31"])
def test_a_time_long_past_is_an_error_like_any_past_one(until: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verdict", "zoe", "ban", "--until", until, "--log", NOBODY]) == USER_ERROR
    error = capsys.readouterr().err
    assert until in error
    assert error.count("\n") == 1


def test_without_a_terminal_a_command_says_what_it_waits_for() -> None:
    """Kafka's address is that of nobody, so that it waits until it is told to stop."""
    watch = run_beside("watch", "--log", NOBODY)
    assert watch.stdout is not None
    line = watch.stdout.readline()
    watch.send_signal(signal.SIGTERM)
    watch.communicate()
    assert [name for name in ("127.0.0.1:1", "cheatwatch", "player-actions", "match-events") if name not in line] == []


@pytest.mark.parametrize("command", [["verdict", "zoe", "ban"], ["watch"]])
def test_with_a_terminal_a_command_says_what_it_waits_for(command: list[str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *command, "--log", NOBODY],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment() | {"TERM": "xterm"},
    )
    os.close(theirs)
    try:
        shown = b""
        while b"\n" not in shown:
            shown += os.read(ours, 4096)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        os.close(ours)
    assert b"127.0.0.1:1" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "command",
    [
        ["watch", "--log", NOBODY],
        pytest.param(["evaluate"], marks=pytest.mark.long),
        pytest.param(["verdict", "zoe", "ban", "--log", NOBODY], marks=pytest.mark.long),
    ],
)
def test_a_command_that_is_interrupted_prints_no_traceback(command: list[str], number: signal.Signals) -> None:
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, *command],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        text=True,
    )
    os.close(theirs)
    try:
        if command[0] != "verdict":  # which says nothing unless it has a terminal
            os.read(ours, 1)
        process.send_signal(number)
        _, error = process.communicate()
    finally:
        os.close(ours)
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "args", [[*EVALUATE], *(pytest.param(args, marks=pytest.mark.long) for args in ([*EVALUATE, "--json"], ["--help"]))]
)
def test_output_that_nobody_reads_ends_a_command_quietly(args: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([*COMMAND, *args], stdout=theirs, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(theirs)
    assert (done.returncode in (0, RULES_FAILED), done.stderr) == (True, b"")


def test_a_verdict_that_cannot_be_written_names_no_player_as_punished() -> None:
    done = run_process("verdict", "zoe", "ban", "--log", "kafka://127.0.0.1:notaport")
    assert (done.returncode, done.stdout) == (USER_ERROR, "")
