"""What every scenario receives: the cores, the broker, and the server to measure."""

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .machine import Cores


class ServerCommand(NamedTuple):
    """Which installation of Touchline is measured: that of the interpreter ``python``.

    ``renamed`` maps an environment variable of this version to its name in the measured one, if that is another
    version.
    """

    python: str = sys.executable
    renamed: Mapping[str, str] = {}


class Bench(NamedTuple):
    """``kafka`` is a broker's address, ``say`` reports progress."""

    cores: Cores
    kafka: str | None = None
    say: Callable[[str], None] = lambda _: None
    server: ServerCommand = ServerCommand()
