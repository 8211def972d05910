"""Runs Kafka's programs, for load tests and all others, and prepares files once that make later brokers start faster.

`scripts/fetch_kafka.sh` fetches the jars into .cache/kafka/ of a checkout; an installed package has none. The first
broker on a machine takes a few seconds longer: it stores, next to the jars, the contents of a formatted data folder and
an archive of Kafka's classes as they are in memory. With both, a broker starts in half the time.

Nothing here depends on an event loop.
"""

import fcntl
import hashlib
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.local_server import LocalServer

JARS = Path(__file__).parents[4] / ".cache" / "kafka"
USER, PASSWORD = "touchline", "a password"
LIMITED_USER = "limited"
"""A user, with the same password, that has no rights of its own."""
CLUSTER_ID = "dG91Y2hsaW5lLXRlc3RzLQ"
"""16 bytes in base64, as Kafka wants it."""
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
ARCHIVE_TIMEOUT_S = 300.0
"""How long Java may take to write the archive, on a busy machine. A part of one would be of no use."""
JVM = (
    "-Xmx192m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dlog4j2.level=INFO",
)
SMALL = {"log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024}
"""Settings that let a broker run in this little memory. The default of this one is 128 MB."""

STARTED = "Kafka Server started"
DATA = "data"
"""The name of the data folder inside a broker's folder."""

CHECKPOINT = "bootstrap.checkpoint"
ARCHIVE = "classes.jsa"


def single_broker(folder: Path, port: int, controller_port: int) -> dict[str, object]:
    """The settings without which no broker starts, for one that is its own controller."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "log.dirs": folder / DATA,
    }


ARCHIVE_TIMEOUT_S = 240.0
"""Writing the archive takes Java 10 s, and minutes beside other work. A broker that is killed then leaves none."""


class BrokerProcess(LocalServer):
    """A broker as a process, whatever its settings are."""

    def __init__(self, folder: Path, *, stop_timeout_s: float = STOP_TIMEOUT_S) -> None:
        name, log_file = "the Kafka broker", folder / "broker.log"
        super().__init__(name, log_file, STARTED, start_timeout_s=START_TIMEOUT_S, stop_timeout_s=stop_timeout_s)


def broker_command(folder: Path, settings: Mapping[str, object], flags: Sequence[str]) -> list[str]:
    """The command that runs a broker in its folder, formatting that first if necessary. ``flags`` are for its JVM."""
    prepared = _prepared()
    if not (folder / DATA).exists():
        _format_from(prepared, folder, settings["node.id"])
    return _command(_write_settings(folder, settings), f"-XX:SharedArchiveFile={prepared / ARCHIVE}", *flags)


def run(command: list[str]) -> None:
    """Run a program to completion.

    Raises:
        RuntimeError: it failed. The message contains the end of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _write_settings(folder: Path, settings: Mapping[str, object]) -> Path:
    """Write a broker's settings to the file that Kafka reads."""
    file = folder / "server.properties"
    file.write_text(_properties({**SMALL, **settings}))
    return file


def _properties(settings: Mapping[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _command(settings_file: Path, *flags: str) -> list[str]:
    return [*_java("kafka.Kafka", *flags), str(settings_file)]


def _java(main: str, *flags: str) -> list[str]:
    return ["java", *JVM, *flags, "-cp", f"{JARS}/*", main]


def _format_from(prepared: Path, folder: Path, node_id: object) -> None:
    data = folder / DATA
    data.mkdir(parents=True)
    shutil.copy(prepared / CHECKPOINT, data)
    directory_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    properties = {"version": 1, "cluster.id": CLUSTER_ID, "node.id": node_id, "directory.id": directory_id}
    (data / "meta.properties").write_text(_properties(properties))


def _prepared() -> Path:
    """The folder of files prepared for exactly these jars and this Java. Creates it if it does not exist."""
    java = Path(shutil.which("java") or "java").resolve()
    parts = [*sorted(JARS.glob("*.jar")), java]
    what = "".join(f"{path} {path.stat().st_mtime_ns}\n" for path in parts) + "\n".join(JVM)
    folder = JARS / f"prepared-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    with (JARS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            work = JARS / "preparing"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            _prepare(work)
            work.rename(folder)
    return folder


def _prepare(folder: Path) -> None:
    """Format a data folder with Kafka's own tool, and run a broker once, which archives its classes when it ends."""
    port, controller_port = free_ports(2)
    file = _write_settings(folder, single_broker(folder, port, controller_port))
    scram = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
    run([*_java("kafka.tools.StorageTool"), "format", "-t", CLUSTER_ID, "-c", str(file), "--add-scram", scram])
    shutil.copy(folder / DATA / CHECKPOINT, folder)
    broker = BrokerProcess(folder, stop_timeout_s=ARCHIVE_TIMEOUT_S)
    broker.launch_command(_command(file, f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}"), cwd=folder)
    broker.wait_started()
    broker.stop()
    shutil.rmtree(folder / DATA)
    check_archive(folder / ARCHIVE)


def check_archive(archive: Path) -> None:
    """Have Java load an archive, because brokers ignore one that they cannot use, and start slowly.

    Raises:
        RuntimeError: it cannot be used. The message contains what Java says about it.
    """
    run(_java("-version", "-Xshare:on", f"-XX:SharedArchiveFile={archive}"))
