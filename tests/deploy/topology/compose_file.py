"""What a compose file says about each service, as Docker Compose's own loader reads it. Pure but for that program."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy.image import CACHE

LOADER = CACHE / "bin" / "compose_config"
"""Built from tests/deploy/compose_config by scripts/setup_deploy_tools.sh."""


class Service(NamedTuple):
    """One service. ``binds`` are files of this machine by their place in the container, ``volumes`` names by theirs.

    ``needs`` has the condition for each service that has to be there first. ``health`` is None where the image decides.
    """

    name: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    binds: Mapping[str, Path]
    volumes: Mapping[str, str]
    needs: Mapping[str, str]
    health: Sequence[str] | None
    restart: str
    stop_signal: str
    stop_grace_s: float


def compose_config(*files: Path) -> "subprocess.CompletedProcess[str]":
    """What Compose makes of a file, and of others that override parts of it: JSON, or an error."""
    return subprocess.run([LOADER, *files], capture_output=True, text=True, check=False)


def services_of(file: Path) -> dict[str, Service]:
    """The services of a file, by name."""
    loaded = compose_config(file)
    assert loaded.returncode == 0, loaded.stderr
    return {name: _service(name, body) for name, body in json.loads(loaded.stdout)["services"].items()}


def _service(name: str, body: Mapping[str, Any]) -> Service:
    mounts = body.get("volumes") or []
    return Service(
        name=name,
        image=body["image"],
        command=body["command"] or [],
        environment={key: value for key, value in (body.get("environment") or {}).items() if value is not None},
        binds={each["target"]: Path(each["source"]) for each in mounts if each["type"] == "bind"},
        volumes={each["target"]: each["source"] for each in mounts if each["type"] == "volume"},
        needs={need: how["condition"] for need, how in (body.get("depends_on") or {}).items()},
        health=_health(body.get("healthcheck")),
        restart=body.get("restart", "no"),
        stop_signal=body.get("stop_signal", "SIGTERM"),
        stop_grace_s=duration_s(body.get("stop_grace_period", "10s")),
    )


def _health(check: Mapping[str, Any] | None) -> Sequence[str] | None:
    if check is None:
        return None
    if check.get("disable"):
        return []
    kind, *rest = check["test"]
    return ["sh", "-c", rest[0]] if kind == "CMD-SHELL" else rest


def duration_s(text: str) -> float:
    """A duration as Compose writes it, such as ``1m30s``, in seconds."""
    total, number = 0.0, ""
    for letter in text:
        if letter in "hms":
            total += float(number) * {"h": 3600, "m": 60, "s": 1}[letter]
            number = ""
        else:
            number += letter
    return total
