"""Starts the services of a compose file as processes, in the order and with the restarts that Docker would.

Services of Touchline's image run from that image, all others by the programs of this machine. A DNS server of their own
knows the names of the file.
"""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from random import Random

from deploy.container import Bind, Container, ContainerProcess
from deploy.image import Image

from .compose_file import Service, services_of
from .names import NameServer, own
from .programs import SYSTEM_PATH, is_absent, placed, program

START_S_MAX = 480.0
"""All services together, on a busy machine: three brokers take most of it."""
COMMAND_S_MAX = 60.0
LOOK_S = 0.2
RESTART_S = 0.1
"""Docker waits this long before it starts a container again, and twice as long each time, up to a minute."""
RESTART_S_MAX = 60.0
STEADY_S = 10.0
"""A container that ran for this long starts again at once."""
IMAGE = "touchline"


class RunningService:
    """One service: its process, and its restarts."""

    def __init__(
        self, service: Service, container: Container, prepare: Container | None, health: Container | None
    ) -> None:
        self.service = service
        self.starts = 0
        self.health = health
        self._container = container
        self._prepare = prepare
        self._process: ContainerProcess | None = None
        self._ended = asyncio.Event()

    async def run(self, output: Path) -> None:
        """Run it, again whenever it ends if its restart policy wants that, until cancelled."""
        if self._prepare is not None:
            prepared = await asyncio.to_thread(self._prepare.run, COMMAND_S_MAX)
            assert prepared.returncode == 0, prepared.stderr + prepared.stdout
        wait_s = RESTART_S
        while True:
            began_s = time.monotonic()
            self._process = self._container.start(output)
            self.starts += 1
            while self._process.exit_code is None:  # noqa: ASYNC110 - it is a child of unshare
                await asyncio.sleep(LOOK_S)
            if self.service.restart == "on-failure" and self._process.exit_code == 0:
                self._ended.set()
                return
            assert self.service.restart != "no", f"{self.service.name} ended: see {output}"
            wait_s = RESTART_S if time.monotonic() - began_s > STEADY_S else min(2 * wait_s, RESTART_S_MAX)
            await asyncio.sleep(wait_s)

    async def until(self, condition: str) -> None:
        """Wait for a condition of ``depends_on``."""
        if condition == "service_completed_successfully":
            await self._ended.wait()
            return
        while self._process is None:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        while condition == "service_healthy" and not await self.is_healthy():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    async def is_healthy(self) -> bool:
        """Whether its health check succeeds now."""
        if self.health is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            return (await asyncio.to_thread(self.health.run, COMMAND_S_MAX)).returncode == 0
        return False

    def kill(self) -> None:
        """Kill all of its processes, as `docker kill` does."""
        assert self._process is not None
        self._process.kill()

    @property
    def pid(self) -> int:
        """Its first process."""
        assert self._process is not None
        return self._process.pid

    async def stop(self) -> int:
        """Ask it to end, as `docker stop` does; returns its exit code. While `run` goes on, that starts it again."""
        if self._process is None:
            return 0
        number = signal.Signals[self.service.stop_signal]
        return await asyncio.to_thread(self._process.stop, number, self.service.stop_grace_s)


class Topology:
    """All services of a compose file. ``absent`` are those that nothing on this machine can stand in for."""

    def __init__(self, file: Path, image: Image, folder: Path, random: Random) -> None:
        services = services_of(file)
        self.absent = sorted(name for name, service in services.items() if is_absent(service))
        present = {name: service for name, service in services.items() if not is_absent(service)}
        network = f"127.{random.randint(100, 250)}.{random.randint(0, 250)}"
        self.addresses = {name: f"{network}.{number}" for number, name in enumerate(present, 1)}
        self.folder = folder
        self._image = image
        self._dns = f"{network}.253"
        self._resolver = folder / "resolv.conf"
        folder.mkdir(parents=True, exist_ok=True)
        self._resolver.write_text(f"nameserver {self._dns}\noptions timeout:1 attempts:3\n")
        self.services = {name: self._service(service) for name, service in present.items()}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Topology"]:
        """`docker compose up --wait`, and `docker compose down` at the end of the block."""
        async with NameServer(self.addresses).running(self._dns):
            try:
                self._tasks = {name: asyncio.create_task(self._start(name)) for name in self.services}
                await self.until_healthy()
                yield self
            finally:
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)
                for each in self.services.values():
                    with contextlib.suppress(Exception):
                        each.kill()

    async def until_healthy(self) -> None:
        """Wait until every service that is meant to run does, and is healthy.

        A check that is slow on a busy machine is waited for, however long: cut short, it would never succeed.
        """
        async with asyncio.timeout(START_S_MAX):
            waiting = asyncio.create_task(self._until_all())
            try:
                while not waiting.done():
                    running = [task for task in self._tasks.values() if not task.done()]
                    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
                    for task in self._tasks.values():
                        if task.done():
                            task.result()
                await waiting
            finally:
                waiting.cancel()

    async def _until_all(self) -> None:
        for each in self.services.values():
            await each.until("service_healthy" if each.service.restart == "unless-stopped" else COMPLETED)

    def execute(self, name: str, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """`docker compose exec`: run a command in a service's container."""
        return self._container(self.services[name].service, command).run(COMMAND_S_MAX)

    async def stop(self) -> dict[str, int]:
        """Stop all services in the reverse order of their dependencies, as `docker compose down` does.

        Returns how each ended.
        """
        codes = {}
        for name in reversed(self._order()):
            self._tasks[name].cancel()
            codes[name] = await self.services[name].stop()
        return codes

    def log_of(self, name: str) -> Path:
        """What a service has written."""
        return self.folder / f"{name}.log"

    async def _start(self, name: str) -> None:
        each = self.services[name]
        for need, condition in each.service.needs.items():
            await self.services[need].until(condition)
        await each.run(self.log_of(name))

    def _order(self) -> list[str]:
        order: list[str] = []

        def add(name: str) -> None:
            if name not in order:
                for need in self.services[name].service.needs:
                    add(need)
                order.append(name)

        for name in self.services:
            add(name)
        return order

    def _service(self, service: Service) -> RunningService:
        health = service.health
        if health is None and _is_ours(service):
            health = self._image.health_command
        if _is_ours(service):
            return RunningService(
                service,
                self._container(service, service.command),
                None,
                self._container(service, health) if health else None,
            )
        mine = service._replace(
            command=self._words(service, service.command), environment=self._own(service, service.environment)
        )
        found = program(mine, self._places(service))
        resolver = [Bind(self._resolver, "/etc/resolv.conf")]
        container = Container(found.command, found.environment, binds=resolver)
        prepare = Container(found.prepare, found.environment, binds=resolver) if found.prepare else None
        return RunningService(
            service, container, prepare, self._container(service, service.health) if service.health else None
        )

    def _container(self, service: Service, command: Sequence[str]) -> Container:
        """A command in a service's container, as `docker exec` runs it."""
        resolver = Bind(self._resolver, "/etc/resolv.conf")
        words = self._words(service, command)
        if not _is_ours(service):
            places = self._places(service)
            environment = {"PATH": SYSTEM_PATH} | self._own(service, service.environment)
            return Container([placed(word, places) for word in words], environment, binds=[resolver])
        binds = [Bind(self._file(service, source), target) for target, source in service.binds.items()]
        environment = self._own(service, self._image.environment | dict(service.environment))
        # A server that listens on 0.0.0.0 knows names without a dot by itself (docs/proxies.md).
        environment["TOUCHLINE_HOSTS"] = ",".join(self.addresses)
        return Container(words, environment, self._image.root, [resolver, *binds])

    def _words(self, service: Service, words: Sequence[str]) -> list[str]:
        return [own(word, self.addresses[service.name]) for word in words]

    def _own(self, service: Service, variables: Mapping[str, str]) -> dict[str, str]:
        return {name: own(value, self.addresses[service.name]) for name, value in variables.items()}

    def _places(self, service: Service) -> dict[str, Path]:
        """Where the files and folders of a service that runs without an image really are."""
        places = {target: self._file(service, source) for target, source in service.binds.items()}
        for target, name in service.volumes.items():
            places[target] = self.folder / "volumes" / name
            places[target].mkdir(parents=True, exist_ok=True)
        return places

    def _file(self, service: Service, source: Path) -> Path:
        """A copy of a file in which the service has its address."""
        copy = self.folder / "files" / service.name / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(own(source.read_text("utf-8"), self.addresses[service.name]), "utf-8")
        copy.chmod(0o644)
        return copy


COMPLETED = "service_completed_successfully"


def _is_ours(service: Service) -> bool:
    return service.image.partition(":")[0] == IMAGE
