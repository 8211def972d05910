"""The versions of the software of a run, for its ``run.json``."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from touchline_protocol.version import __version__

SERVER = ("msgspec", "websockets", "uvloop", "aiokafka")


def versions(packages: Iterable[str] = SERVER) -> dict[str, str]:
    """The versions of Touchline, Python, and those packages that are installed."""
    found = {"touchline": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
