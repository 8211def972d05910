"""The image of deploy/docker/Dockerfile, built by scripts/build_image.sh, and containers of it."""

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.container import Bind, Container, missing_programs

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "deploy"
NAME = "touchline:local"


class Image(NamedTuple):
    """A built image: its files, and its configuration as Docker has it."""

    root: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a container has without any of its own."""
        return dict(each.split("=", 1) for each in self.config["Env"])

    def container(
        self, *command: str, environment: Mapping[str, str] | None = None, binds: Sequence[Bind] = ()
    ) -> Container:
        """A container of the image."""
        return Container(command, self.environment | dict(environment or {}), self.root, binds)

    @property
    def health_command(self) -> Sequence[str]:
        """The image's health check."""
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return list(command)


@functools.cache
def built_image() -> Image:
    """Build the image, once for all tests of this process."""
    if missing := missing_programs("buildah", "mmdebstrap"):
        pytest.fail(f"these tests need {', '.join(missing)}: make check-deploy installs what is missing", pytrace=False)
    if os.getuid() != 0:
        pytest.fail("images can be built without Docker by root alone", pytrace=False)
    script = ROOT / "scripts" / "build_image.sh"
    built = subprocess.run([script], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    storage = f"--root {CACHE}/containers/root --runroot {CACHE}/containers/run --storage-driver vfs"
    inspect = ["buildah", *storage.split(), "inspect", "--type", "image", NAME]
    described = json.loads(subprocess.run(inspect, capture_output=True, check=True).stdout)
    return Image(Path(built.stdout.strip()), described["Docker"]["config"])
