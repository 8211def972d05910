"""The environments that commands may be started in: a server, a publish, a tail and a token work in each of them.

In the gate one process of each command meets them all at once. `make test-all` tries each by itself.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.processes import DEADLINE_S, complaints
from support.processes import environment

COMMAND = [sys.executable, "-c", "from touchline_server.__main__ import main; main()"]
SECRET = {"TOUCHLINE_AUTH__HS256_SECRET": "x" * 32}


class World(NamedTuple):
    """``variables`` are set, or unset if None. ``enter`` is called in the new process before the command starts."""

    variables: Mapping[str, str | None] = {}
    enter: Callable[[], object] = lambda: None


def in_a_deleted_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()


WORLDS = {
    "locale C": World({"LANG": "C", "LC_ALL": "C"}),
    "unknown locale": World({"LC_ALL": "xx_YY.ISO-8859-1"}),
    "ascii": World({"PYTHONIOENCODING": "ascii"}),
    "no HOME": World({"HOME": None}),
    "HOME is a file": World({"HOME": "/dev/null"}),
    "HOME is empty": World({"HOME": "", "XDG_DATA_HOME": ""}),
    "HOME is relative": World({"HOME": "home"}),
    "deleted folder": World(enter=in_a_deleted_folder),
    "read-only folder": World(enter=lambda: os.chdir("/proc")),
    "no terminal": World({"TERM": None}),
    "dumb terminal": World({"TERM": "dumb", "NO_COLOR": "1", "FORCE_COLOR": "1"}),
    "narrow terminal": World({"COLUMNS": "1", "LINES": "1"}),
    "terminal without a size": World({"COLUMNS": "x", "LINES": "-1"}),
    "empty variables": World(
        {
            f"TOUCHLINE_{name}": ""
            for name in ("CONFIG", "TOKEN", "API_KEY", "WINDOW_S", "ORIGINS", "FEEDS", "AUTH__JWKS", "AUTH__ISSUER")
        }
    ),
    "unknown time zone": World({"TZ": "Nowhere/City"}),
    "optimized": World({"PYTHONOPTIMIZE": "2"}),
    "warnings are errors": World({"PYTHONWARNINGS": "error"}),
    "umask": World(enter=lambda: os.umask(0o777)),
    "no temporary folder": World({"TMPDIR": "/nonexistent"}),
    "no standard input": World(enter=lambda: os.close(0)),
    "huge": World({f"VARIABLE_{number}": "x" * 100_000 for number in range(10)}),
    "variables that are not text": World({"NOT_TEXT": "\udcff"}),
    "SOCKS proxy": World({"ALL_PROXY": "socks5://127.0.0.1:9"}),
    "proxy": World({"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}),
    "invalid proxy": World({"HTTP_PROXY": "::::", "https_proxy": "nothing://here:port"}),
    "no certificates": World({"SSL_CERT_FILE": "/nonexistent", "SSLKEYLOGFILE": "/nonexistent/file"}),
    "SIGPIPE ignored": World(enter=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)),
}

TOGETHER = World(
    {name: value for world in WORLDS.values() for name, value in world.variables.items()},
    lambda: [world.enter() for world in WORLDS.values()],
)


def start(world: World, *args: str, **more: str) -> subprocess.Popen[bytes]:
    wanted = {**environment(), **world.variables, **more}
    return subprocess.Popen(
        [*COMMAND, *args],
        env={name: value for name, value in wanted.items() if value is not None},
        preexec_fn=world.enter,  # noqa: PLW1509 - this process has no other threads
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def result(process: subprocess.Popen[bytes]) -> bytes:
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complaints(err.decode())) == (0, "")
    return out


def stopped(server: subprocess.Popen[bytes]) -> None:
    """The server ends by itself, and its log reports nothing but what it does and what it lowers."""
    _, err = server.communicate(timeout=DEADLINE_S)
    assert server.returncode == 0
    assert [line for line in err.splitlines() if b"Traceback" in line or b" error " in line] == []


def all_work_in(world: World) -> None:
    token = start(world, "token", "alice", **SECRET)
    server = start(world, "serve", "--port", "0", "--control-port", "0", "--log", "sqlite://")
    try:
        assert server.stdout is not None
        banner = b""
        while not (control := re.search(rb"http://\S+", banner)):
            line = server.stdout.readline()
            assert line, server.communicate()
            banner += line
        websocket = re.search(rb"ws://\S+", banner)
        assert websocket
        publish = start(world, "publish", "match:ä", '{"é":1}', "--url", control[0].decode())
        assert json.loads(result(publish))["room"] == "match:ä"
        tail = start(world, "tail", "match:ä", "--last", "1", "--url", websocket[0].decode())
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["data"] == {"é": 1}
        tail.send_signal(signal.SIGINT)
        assert (complaints(tail.communicate(timeout=DEADLINE_S)[1].decode()), tail.returncode) == ("", 130)
        server.send_signal(signal.SIGTERM)
        stopped(server)
        assert result(token).count(b".") == 2
    finally:
        server.kill()
        server.communicate()


def test_commands_work_in_all_environments_together() -> None:
    all_work_in(TOGETHER)


@pytest.mark.long
@pytest.mark.parametrize("name", WORLDS, ids=lambda name: name.replace(" ", "-"))
def test_commands_work_in_every_environment(name: str) -> None:
    all_work_in(WORLDS[name])


NO_USER = """
import os, pwd, sys
os.environ.pop("HOME", None)
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
from touchline_server.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("args", "code", "named"),
    [
        (["serve", "--port", "0", "--control-port", "0"], 2, "--log"),
        pytest.param(["token", "alice"], 0, "", marks=pytest.mark.long),
    ],
    ids=["serve", "token"],
)
def test_a_user_without_a_home_is_told_only_where_one_is_needed(args: list[str], code: int, named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_USER, *args],
        env={**environment(), **SECRET},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert named in done.stderr


@pytest.mark.long
def test_commands_work_in_1970() -> None:
    """A machine whose clock was not set yet, as a small computer without a battery."""
    early = "import time; time.time = lambda: 7.0; time.time_ns = lambda: 7_000_000_000; "
    command = [sys.executable, "-c", early + COMMAND[-1]]
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", "--control-port", "0", "--log", "sqlite://"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    while b"http://" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    url = line.split()[-1].decode()
    publish = subprocess.run(
        [*command, "publish", "match:1", "1", "--url", url], capture_output=True, env=environment(), check=False
    )
    assert (publish.returncode, complaints(publish.stderr.decode())) == (0, "")
    process.send_signal(signal.SIGTERM)
    stopped(process)
