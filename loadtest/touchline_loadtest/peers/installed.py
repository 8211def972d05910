"""Where ``scripts/install_peers.sh`` puts what it installs, and how to find it."""

import os
import re
import shutil
from pathlib import Path

from .peer import PeerMissing

FOLDER = Path(os.environ.get("PEERS_FOLDER", ".cache/peers")).absolute()
"""The installer runs in the root of the repository, and so do the commands that use it."""
_GO_MODULE = re.compile(rb"\nmod\t[^\t\n]+\tv?([^\t\n]+)")
"""The main module in what ``go version -m`` prints, as it stands in the program."""
HINT = "run scripts/install_peers.sh"


def program(name: str) -> Path:
    """A program that was installed.

    Raises:
        PeerMissing: it was not. If the installer left a reason, that is the message.
    """
    found = FOLDER / "bin" / name
    if not found.exists():
        raise PeerMissing(reason(name))
    return found


def module_version(path: Path) -> str:
    """The version of the Go module that a program was built from; the toolchain writes it into each program.

    Raises:
        PeerMissing: the program has none.
    """
    found = _GO_MODULE.search(path.read_bytes())
    if found is None:
        raise PeerMissing(f"{path} was not built from a Go module")
    return found[1].decode()


def system_program(name: str) -> str:
    """A program of the system, which may be where only the administrator looks.

    Raises:
        PeerMissing: there is none.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PeerMissing(f"there is no {name}: {HINT}")
    return found


def reason(name: str) -> str:
    """Why something is not installed: the first line that the installer left, or how to install it."""
    try:
        return (FOLDER / f"{name}.failed").read_text("utf-8").strip().partition("\n")[0]
    except OSError:
        return f"{name} is not installed: {HINT}"
