"""The image is built from the Dockerfile, and every role runs from it: not as root, and with a read-only root."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.container import USER, Bind, ContainerProcess
from deploy.image import Image, built_image
from support.kafka_broker import KafkaBroker
from support.redis_server import RedisServer
from touchline_loadtest.free_ports import free_ports

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

IMAGE_MIB_MAX = 320
"""Debian with Python is 180 MiB of it, and what Touchline imports is 90."""
RUN_S = 60.0
START_S = 90.0
STOP_S = 30.0
KEY = "a-key-for-publishing"


@pytest.fixture(scope="module")
def image() -> Image:
    return built_image()


@contextlib.asynccontextmanager
async def running(
    image: Image,
    folder: Path,
    *command: str,
    environment: Mapping[str, str],
    binds: tuple[Bind, ...] = (),
) -> AsyncIterator[ContainerProcess]:
    """A container whose health check is good, until the end of the block, where it has to stop by itself."""
    output = folder / f"{command[0]}-{command[1]}.log"
    process = image.container(*command, environment=environment, binds=binds).start(output)
    check = image.container(*image.health_command, environment=environment)
    try:
        async with asyncio.timeout(START_S):
            while (await asyncio.to_thread(check.run, RUN_S)).returncode:
                assert process.exit_code is None, output.read_text()
                await asyncio.sleep(0.2)
        yield process
        assert await asyncio.to_thread(process.stop, signal.SIGTERM, STOP_S) == 0, output.read_text()
    finally:
        process.kill()


async def answer_of(url: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).json()


def test_the_image_has_what_it_needs_and_nothing_else(image: Image) -> None:
    assert image.config["User"] == f"{USER}:{USER}"
    assert image.config["Cmd"] == ["touchline", "serve"]
    assert set(image.config["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "8082/tcp", "9464/tcp"}
    assert not any("PIP" in each for each in image.config["Env"])
    for absent in ("src", "opt/build", "wheels", "opt/touchline/bin/pip", "root/.cache", "usr/bin/gcc"):
        assert not (image.root / absent).exists(), absent
    assert list((image.root / "var/lib/apt/lists").glob("*_Packages")) == []
    files = [each.lstat() for each in image.root.rglob("*")]
    assert sum({each.st_ino: each.st_size for each in files}.values()) < IMAGE_MIB_MAX * 2**20
    unsafe = [each for each in (image.root / "opt").rglob("*") if not each.is_symlink() and each.stat().st_mode & 0o022]
    assert unsafe == []


def test_a_container_is_not_root_and_cannot_write(image: Image) -> None:
    script = "import os; print(os.getuid(), os.getgid(), os.getgroups()); open('/opt/touchline/x', 'w')"
    ended = image.container("python3", "-c", script).run(RUN_S)
    assert ended.stdout.split() == [str(USER), str(USER), "[]"]
    assert "Read-only file system" in ended.stderr
    status = image.container("grep", "-E", "^(CapEff|CapBnd|NoNewPrivs)", "/proc/self/status").run(RUN_S).stdout.split()
    assert [int(each, 16) for each in status[1::2]] == [0, 0, 1]


@pytest.mark.parametrize("command", ["touchline --version", "touchline topics --help", "cheatwatch --help"])
def test_every_command_is_there(image: Image, command: str) -> None:
    ended = image.container(*command.split()).run(RUN_S)
    assert ended.returncode == 0, ended.stderr


def test_the_health_check_of_a_container_that_does_not_serve_fails(image: Image) -> None:
    (port,) = free_ports(1)
    ended = image.container(*image.health_command, environment={"HEALTH_URL": f"http://127.0.0.1:{port}/"}).run(RUN_S)
    assert ended.returncode == 1
    assert str(port) in ended.stderr


async def test_an_edge_with_an_embedded_log_keeps_it_in_the_volume(image: Image, tmp_path: Path) -> None:
    port, control_port = free_ports(2)
    volume = tmp_path / "volume"
    volume.mkdir()
    stat = (image.root / "var/lib/touchline").stat()
    assert (stat.st_uid, stat.st_gid) == (USER, USER)  # Docker gives a new volume the owner of the folder
    volume.chmod(0o777)
    environment = {
        "TOUCHLINE_PORT": str(port),
        "TOUCHLINE_CONTROL_PORT": str(control_port),
        "HEALTH_URL": f"http://127.0.0.1:{control_port}/readyz",
    }
    binds = (Bind(volume, "/var/lib/touchline", writable=True),)
    command = tuple(image.config["Cmd"])
    async with running(image, tmp_path, *command, environment=environment, binds=binds):
        published = image.container(
            "touchline",
            "publish",
            "score:1",
            "[1, 0]",
            "--key",
            "score",
            "--url",
            f"http://127.0.0.1:{control_port}",
        )
        assert (await asyncio.to_thread(published.run, RUN_S)).returncode == 0
    async with running(image, tmp_path, *command, environment=environment, binds=binds):
        url = f"http://127.0.0.1:{control_port}/v1/rooms/score:1"
        assert [each["data"] for each in (await answer_of(url))["state"]] == [[1, 0]]


async def test_a_fleet_runs_from_the_image(
    image: Image, tmp_path: Path, kafka_factory: Callable[..., KafkaBroker], redis: RedisServer
) -> None:
    broker = kafka_factory()
    edge_port, control_port, keeper_port, metrics_port = free_ports(4)
    config = tmp_path / "touchline.toml"
    config.write_text(f'log = "kafka://{broker.address}"\n[redis]\nurl = "{redis.url}"\n')
    config.chmod(0o644)
    binds = (Bind(config, "/etc/touchline.toml"),)
    with_config = ("--config", "/etc/touchline.toml")
    created = image.container("touchline", "topics", "--create", *with_config, binds=binds)
    assert (await asyncio.to_thread(created.run, RUN_S)).returncode == 0
    edge = {
        "TOUCHLINE_PORT": str(edge_port),
        "TOUCHLINE_CONTROL_PORT": str(control_port),
        "TOUCHLINE_CONTROL_HOST": "0.0.0.0",
        "TOUCHLINE_API_KEYS": KEY,
        "HEALTH_URL": f"http://127.0.0.1:{control_port}/readyz",
    }
    keeper = {"TOUCHLINE_KEEPER__PORT": str(keeper_port), "HEALTH_URL": f"http://127.0.0.1:{keeper_port}/readyz"}
    cheatwatch = {"HEALTH_URL": f"http://127.0.0.1:{metrics_port}/metrics"}
    watch = ("cheatwatch", "watch", "--log", f"kafka://{broker.address}", "--json", "--metrics-port", str(metrics_port))
    async with (
        running(image, tmp_path, "touchline", "keeper", *with_config, environment=keeper, binds=binds),
        running(image, tmp_path, "touchline", "serve", *with_config, "--workers", "2", environment=edge, binds=binds),
        running(image, tmp_path, *watch, environment=cheatwatch),
    ):
        server = ("--url", f"http://127.0.0.1:{control_port}", "--api-key", KEY)
        published = image.container("touchline", "publish", "match:1", "1", "--key", "goals", *server)
        assert (await asyncio.to_thread(published.run, RUN_S)).returncode == 0
        url = f"http://127.0.0.1:{keeper_port}/readyz"

        async with asyncio.timeout(RUN_S):
            while sum(each["next_offset"] for each in (await answer_of(url))["partitions"].values()) < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
