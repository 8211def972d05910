"""The command line as a whole: help, version, what it imports, and what it reports if a library is missing."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from support.processes import environment
from touchline_cli.lazy_commands import CommandSpec
from touchline_protocol.version import __version__
from touchline_server.cli.app import run
from touchline_server.cli.commands import COMMANDS, extension_commands

ALL_COMMANDS = {**COMMANDS, **extension_commands()}

SLOW_TO_IMPORT = {"aiokafka", "httpx", "rich", "starlette", "uvicorn", "uvloop", "websockets"}


def python(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, timeout=90, check=False, env=environment()
    )


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"]])
def test_help_lists_every_command_with_its_summary(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [[name, spec.summary] for name, spec in ALL_COMMANDS.items()] == listed[-len(ALL_COMMANDS) :]
    names = "serve keeper publish tail salvage topics doctor token demo replay simulate"
    assert set(names.split()) == set(ALL_COMMANDS)


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "-h"]) == 0
    assert f"Usage: touchline {command}" in capsys.readouterr().out


@pytest.mark.parametrize("spec", ALL_COMMANDS.values(), ids=ALL_COMMANDS.keys())
def test_a_summary_is_the_first_line_of_the_commands_help(spec: CommandSpec) -> None:
    module, _, name = spec.target.partition(":")
    assert (inspect.getdoc(getattr(import_module(module), name)) or "").partition("\n")[0] == spec.summary


def test_a_misspelt_command_of_an_extension_is_an_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulat"]) == 2
    assert "'simulate'" in capsys.readouterr().err


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"touchline {__version__}\n"


@pytest.mark.parametrize(
    ("args", "slow"),
    [
        (["--help"], SLOW_TO_IMPORT | {"cryptography", "pydantic_settings"}),
        (["token", "--help"], SLOW_TO_IMPORT),
        (["publish", "--help"], SLOW_TO_IMPORT | {"cryptography", "pydantic_settings"}),
        (["tail", "--help"], SLOW_TO_IMPORT - {"websockets"} | {"cryptography", "pydantic_settings"}),
        (["serve", "--help"], {"aiokafka", "cryptography", "httpx", "jsonschema", "jwt", "redis", "rich.console"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(args: list[str], slow: set[str]) -> None:
    done = python("-X", "importtime", "-m", "touchline_server", *args)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "touchline_server.cli.app" in imported
    assert slow & imported == set()


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("typer", "serve", "server"),
        ("pydantic_settings", "serve", "server"),
        ("aiokafka", "topics", "server"),
        ("starlette", "demo", "demo"),
        ("rich", "simulate", "demo"),
    ],
)
def test_a_missing_library_is_one_line_that_names_what_to_install(missing: str, command: str, extra: str) -> None:
    program = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {missing!r}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"sys.argv = ['touchline', {command!r}]\n"
        "from touchline_server.__main__ import main\n"
        "main()\n"
    )
    done = python("-c", program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert missing in done.stderr
    assert f"touchline[{extra}]" in done.stderr
