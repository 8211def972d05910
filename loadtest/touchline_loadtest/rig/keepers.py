"""The keepers of a run: ``touchline keeper``, which write the state of rooms from Kafka to Redis."""

import re
import sys
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.runs.writer import RunWriter

from .server_process import ServerProcess

READY = re.compile(r"\bkeeper_ready\b")
"""The line of its log once it is a member of its group."""
VARIABLE = "TOUCHLINE_KEEPER__PORT"


class Keeper(ServerProcess):
    """One keeper. ``health_port`` answers whether it is ready, and how far it is."""

    def __init__(self, name: str, kafka: str, config: Path, run: RunWriter) -> None:
        (port,) = free_ports(1)
        keep = ("keeper", "--edge-name", name, "--log", f"kafka://{kafka}", "--config", str(config))
        command = (sys.executable, "-m", "touchline_server", *keep)
        super().__init__(name, command, READY, port, run, variables={VARIABLE: str(port)})
