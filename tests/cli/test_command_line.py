"""The command line as a whole: help, version, and what it does where its libraries are not installed."""

import subprocess
import sys

import pytest

from touchline_protocol.version import __version__
from touchline_server.cli.app import run

COMMANDS = ["serve", "demo", "publish", "tail", "replay", "simulate", "topics", "token"]


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"]])
def test_help_names_every_command(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_for_each_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "-h"]) == 0
    assert f"Usage: touchline {command}" in capsys.readouterr().out


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"touchline {__version__}\n"


@pytest.mark.parametrize("missing", ["typer", "pydantic", "uvloop"])
def test_without_the_servers_libraries_it_says_what_to_install(missing: str) -> None:
    program = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {missing!r}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from touchline_server.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"touchline: {missing} is not installed: install touchline[server]\n"
