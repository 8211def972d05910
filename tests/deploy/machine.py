"""A Debian machine of its own, with systemd, which carries out the commands of deploy/README.md as they stand.

It is booted by systemd-nspawn, in a network of its own: ports are those of the page. Packages are installed before, in
the network of this machine. Needs root.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from deploy.image import ROOT
from touchline_loadtest.measure.processes import dying_with_parent
from touchline_loadtest.rig.kafka.java import JARS, JVM, SMALL, single_broker

CERTIFICATES = "/machine-certificates"
"""Where pip finds this machine's, for networks that look into TLS."""
BOOT_S_MAX = 60.0
LOOK_S = 0.2
KAFKA_PORT = 9092
OUTCOME = re.compile(r"^@@ (\d+)$", re.MULTILINE)


class Outcome(NamedTuple):
    """What became of one command."""

    command: str
    code: int
    output: str


class Machine:
    """The files of a machine in ``folder``, which has to be empty."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self._leader = 0
        made = subprocess.run([ROOT / "scripts" / "build_machine.sh"], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        subprocess.run(["tar", "-xf", made.stdout.strip(), "-C", folder], check=True)
        copy = folder / "root" / "touchline"
        copy.mkdir(mode=0o755)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        packed = subprocess.run(
            ["tar", "--null", "--files-from=-", "-c"], cwd=ROOT, input=files, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", copy], input=packed, check=True)
        (folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
        # A package that is installed starts nothing: no service could, before the machine is booted.
        (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (folder / "usr/sbin/policy-rc.d").chmod(0o755)

    def install(self, commands: Sequence[str], timeout_s: float) -> list[Outcome]:
        """Carry commands out before the machine is booted, in the network of this one."""
        lent = ["--resolv-conf=copy-host", "--setenv=DEBIAN_FRONTEND=noninteractive"]
        if "PIP_CERT" in os.environ:
            certificate = Path(os.environ["PIP_CERT"])
            lent += [
                f"--bind-ro={certificate.parent}:{CERTIFICATES}",
                f"--setenv=PIP_CERT={CERTIFICATES}/{certificate.name}",
            ]
        start = [*_nspawn(self.root), "--as-pid2", "--pipe", *lent, "bash", "-s"]
        return _carry_out(start, commands, timeout_s)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Boot it, alone with a broker of Kafka at port 9092, until the end of the block."""
        boot = [*_nspawn(self.root), "--boot", "--private-network", "--console=read-only"]
        process = subprocess.Popen(dying_with_parent(*boot), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self._leader = _leader_of(process)
            # Degraded: some of Debian's units cannot work in a container.
            self._until(["bash", "-c", "systemctl is-system-running --wait | grep -E 'running|degraded'"])
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(BOOT_S_MAX)
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def kafka(self, folder: Path) -> Iterator[None]:
        """A broker in the machine's network, until the end of the block."""
        folder.mkdir()
        properties: Mapping[str, object] = {
            **single_broker(folder, KAFKA_PORT, KAFKA_PORT + 1),
            **SMALL,
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
        }
        file = folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        java = ["java", *JVM, "-cp", f"{JARS}/*"]
        format_folder = [*java, "kafka.tools.StorageTool", "format", "-t", "dG91Y2hsaW5lLW1hY2hpbg", "-c", str(file)]
        subprocess.run(format_folder, check=True, capture_output=True)
        broker = ["nsenter", "--net", f"--target={self._leader}", *java, "kafka.Kafka", str(file)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(dying_with_parent(*broker), stdout=log, stderr=log)
        try:
            self._until(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{KAFKA_PORT}"])
            yield
        finally:
            process.kill()
            process.wait()

    def run(self, commands: Sequence[str], timeout_s: float) -> list[Outcome]:
        """Carry commands out in the booted machine, in one shell, one after the other whatever becomes of them."""
        return _carry_out([*self._inside(), "bash", "-s"], commands, timeout_s)

    def ask(self, *command: str) -> str:
        """What a command in the booted machine prints."""
        done = subprocess.run([*self._inside(), *command], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def _inside(self) -> list[str]:
        home = ["env", "--ignore-environment", "--chdir=/root", "HOME=/root", f"PATH={PATH}"]
        return ["nsenter", f"--target={self._leader}", "--all", *home]

    def _until(self, command: Sequence[str]) -> None:
        began_s = time.monotonic()
        done = subprocess.run([*self._inside(), *command], capture_output=True, text=True, check=False)
        while done.returncode != 0:
            assert time.monotonic() < began_s + BOOT_S_MAX, done.stdout + done.stderr
            time.sleep(LOOK_S)
            done = subprocess.run([*self._inside(), *command], capture_output=True, text=True, check=False)


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _nspawn(root: Path) -> list[str]:
    program = shutil.which("systemd-nspawn")
    assert program is not None, "systemd-nspawn is missing: make check-deploy installs it"
    return [program, "--quiet", f"--directory={root}", "--machine=live", "--register=no", "--keep-unit"]


def _leader_of(nspawn: "subprocess.Popen[bytes]") -> int:
    """The machine's first process, as this one numbers it."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + BOOT_S_MAX:
        for child in psutil.Process(nspawn.pid).children():
            return int(child.pid)
        time.sleep(LOOK_S)
    raise AssertionError("the machine does not boot")


def _carry_out(start: Sequence[str], commands: Sequence[str], timeout_s: float) -> list[Outcome]:
    script = "".join(f"{command} </dev/null\ncode=$?; echo; echo @@ $code\n" for command in commands)
    done = subprocess.run(
        start, input=f"exec 2>&1\n{script}", capture_output=True, text=True, check=False, timeout=timeout_s
    )
    parts = OUTCOME.split(done.stdout)
    assert len(parts) == 2 * len(commands) + 1, done.stdout[-4000:] + done.stderr[-4000:]
    codes = [int(code) for code in parts[1::2]]
    return [Outcome(*each) for each in zip(commands, codes, parts[:-1:2], strict=True)]
