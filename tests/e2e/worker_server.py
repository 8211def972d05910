"""``touchline serve`` with several workers over a real Kafka, and what an operator sees of it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from cli.processes import COMMAND, DEADLINE_S
from support.kafka_broker import KafkaBroker
from support.processes import environment
from support.waiting import eventually

ROOM = "score:1"


class WorkerServer:
    """A running server. ``log_file`` has its lines, as JSON."""

    def __init__(self, process: subprocess.Popen[str], log_file: Path, banner: str) -> None:
        self.process = process
        self._log_file = log_file
        websocket, control = re.search(r"ws://\S+", banner), re.search(r"http://\S+", banner)
        assert websocket
        assert control
        self.url = websocket.group()
        # Without certificates of authorities, whose reading takes longer than a request.
        self._http = httpx.Client(base_url=control.group(), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event so far."""
        lines = [json.loads(line) for line in self._log_file.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def pids(self) -> dict[str, int]:
        """The newest process of each worker."""
        return {line["worker"]: line["pid"] for line in self.lines("worker_started")}

    def get(self, path: str) -> httpx.Response:
        """The control plane's answer."""
        return self._http.get(path)

    def post(self, path: str, body: object) -> httpx.Response:
        """The control plane's answer to a body."""
        return self._http.post(path, json=body)

    @property
    def control_port(self) -> int:
        """The port of the control plane."""
        assert self._http.base_url.port is not None
        return self._http.base_url.port

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """The status and the body of ``/readyz``."""
        answer = self.get("/readyz")
        return answer.status_code, answer.json()

    def publish(self, *values: int, key: str | None = None) -> None:
        events = [{"data": value, "key": key} for value in values]
        self._http.post(f"/v1/rooms/{ROOM}/events", json={"events": events}).raise_for_status()

    async def until_ready(self) -> None:
        """Wait until all workers are ready."""
        await eventually(lambda: "degraded" not in self.readiness()[1] and self.readiness()[0] == 200)

    def close(self) -> None:
        """Release the connections to the control plane."""
        self._http.close()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, DEADLINE_S)


@contextlib.asynccontextmanager
async def worker_server(kafka: KafkaBroker, folder: Path, *args: str, **env: str) -> AsyncIterator[WorkerServer]:
    """Two workers over topics of their own. None of their processes outlives the block."""
    name = uuid.uuid4().hex[:12]
    topics = {"TOUCHLINE_ACTIONS__TOPIC": f"actions-{name}", "TOUCHLINE_VERDICTS__TOPIC": f"verdicts-{name}"}
    options = topics | {
        "TOUCHLINE_FEEDS": json.dumps({"score": {"topic": f"score-{name}"}}),
        "TOUCHLINE_LOGGING__FORMAT": "json",
        "TOUCHLINE_EDGE_NAME": "edge",
        "TOUCHLINE_CONNECTIONS_MAX": "1000",
        "TOUCHLINE_DRAIN_S": "0.5",
        "TOUCHLINE_LOG": f"kafka://{kafka.address}",
    }
    log_file = folder / f"{name}.log"
    command = [*COMMAND, "serve", "--workers", "2", "--port", "0", "--control-port", "0", *args]
    for topic in (f"score-{name}", *topics.values()):
        await kafka.create(topic)
    with log_file.open("w") as errors, subprocess.Popen(  # noqa: ASYNC220 - it takes a moment
        command, env=environment() | options | env, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:  # fmt: skip
        server = None
        try:
            banner = ""
            while "control  " not in banner:
                assert process.stdout is not None
                line = await asyncio.to_thread(process.stdout.readline)
                assert line, log_file.read_text()
                banner += line
            server = WorkerServer(process, log_file, banner)
            yield server
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)
            if server is not None:
                server.close()
                for pid in server.pids().values():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
