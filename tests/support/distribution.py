"""The source distribution and the wheel, which are built once in a test run."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.made_once import made_once

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel built from it, which shows that the former is complete."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr

    return made_once(tmp_path_factory, "dist", build)
