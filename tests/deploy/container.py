"""Runs a command as a container does, without a container engine: its own processes, a root that it cannot write to, no
privileges, and names that only it and its like know.

The network alone is the machine's: containers have addresses of the loopback interface. This needs root.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from touchline_loadtest.measure.processes import dying_with_parent

USER = 10001
"""The number of the user in deploy/docker/Dockerfile."""
GONE_S_MAX = 10.0


class Bind(NamedTuple):
    """A file or folder that a container sees at another place, read-only unless it is ``writable``."""

    source: Path
    target: str
    writable: bool = False


class Container(NamedTuple):
    """What to run. ``root`` is the folder with an image's files; None takes the machine's own, with its programs.

    With a ``root``, the command runs as `USER`, without privileges, and can write to /tmp and ``writable`` binds alone.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    root: Path | None = None
    binds: Sequence[Bind] = ()

    def start(self, output: Path) -> "ContainerProcess":
        """Start it; its output is added to a file. Call it in the main thread: it ends with the calling thread."""
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", self._script()]
        with output.open("ab") as file:
            process = subprocess.Popen(
                dying_with_parent(*unshare),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=dict(self.environment),
                start_new_session=True,
            )
        return ContainerProcess(process)

    def run(self, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """Run it to completion."""
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", self._script()]
        return subprocess.run(
            unshare, capture_output=True, text=True, check=False, timeout=timeout_s, env=dict(self.environment)
        )

    def _script(self) -> str:
        """What a shell does in new namespaces before it becomes the command."""
        if self.root is None:
            mounts = [_mount(bind, "") for bind in self.binds]
            return "\n".join(["mount -t proc proc /proc", *mounts, f"exec {shlex.join(self.command)}"])
        root = shlex.quote(str(self.root))
        mounts = [_mount(bind, str(self.root)) for bind in self.binds]
        privileges = f"--reuid {USER} --regid {USER} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
        return "\n".join(
            [
                *(_mount_point(bind, self.root) for bind in self.binds),
                f"mount --bind {root} {root}",
                f"mount -o remount,bind,ro {root}",
                f"mount -t proc proc {root}/proc",
                f"mount -t tmpfs -o size=16m,mode=1777 tmpfs {root}/tmp",
                f"mount -t tmpfs -o size=64k,mode=755 tmpfs {root}/dev",
                *(f"touch {root}/dev/{name} && mount --bind /dev/{name} {root}/dev/{name}" for name in DEVICES),
                *mounts,
                f"exec /usr/sbin/chroot {root} setpriv {privileges} {shlex.join(self.command)}",
            ]
        )


DEVICES = ("null", "zero", "random", "urandom")


def _mount_point(bind: Bind, root: Path) -> str:
    """Create what a bind covers, if it is missing, as container engines do."""
    target = shlex.quote(f"{root}{bind.target}")
    if bind.source.is_dir():
        return f"mkdir -p {target}"
    return f"mkdir -p $(dirname {target}) && touch {target}"


def _mount(bind: Bind, root: str) -> str:
    target = shlex.quote(root + bind.target)
    mount = f"mount --bind {shlex.quote(str(bind.source))} {target}"
    return mount if bind.writable else f"{mount}\nmount -o remount,bind,ro {target}"


class ContainerProcess:
    """A container that was started."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        code = self._process.poll()
        # unshare reports the signal of its child as a shell does.
        return code if code is None or code <= 128 else 128 - code

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        (first,) = psutil.Process(self._process.pid).children()
        return int(first.pid)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process. SIGKILL ends all of its processes with that one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for first in psutil.Process(self._process.pid).children():
                first.send_signal(number)

    def kill(self) -> None:
        """End all of its processes at once."""
        self.send_signal(signal.SIGKILL)
        try:
            self._process.wait(GONE_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop(self, number: signal.Signals, timeout_s: float) -> int:
        """Ask it to end, and kill it if it does not in time; returns how it ended."""
        self.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self.kill()
        code = self.exit_code
        assert code is not None
        return code


def missing_programs(*names: str) -> list[str]:
    """Which of these programs are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in names if shutil.which(name, path=path) is None]
