"""A project of a user of the npm package: an empty folder into which the packed package is installed."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

from support.waiting import DEADLINE_S

ROOT = Path(__file__).parents[2]
WITH_NODE = ROOT / "scripts" / "with_node.sh"
CONSUMERS = Path(__file__).parent / "consumers"
INSTALL_S = 300.0
"""How long npm may take to install from a registry, on a busy machine."""


async def run(*command: str | Path, cwd: Path, timeout_s: float = DEADLINE_S) -> str:
    """What a command prints. One that fails, or does not end, fails the test."""
    environment = os.environ | {"NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def version_of(package: str) -> str:
    """The version of a package that our own lock has, so that npm's cache has it too."""
    packages = json.loads((ROOT / "clients" / "package-lock.json").read_text("utf-8"))["packages"]
    return str(packages[f"node_modules/{package}"]["version"])


class Consumer:
    """The project. ``folder`` has the files of ``tests/js/consumers/<kind>``."""

    def __init__(self, folder: Path, kind: str) -> None:
        shutil.copytree(CONSUMERS / kind, folder)
        (folder / "package.json").write_text('{"name": "consumer", "private": true, "type": "module"}')
        self.folder = folder

    async def install(self, *packages: str | Path) -> None:
        """Install packages as a user does, from the cache where it has them."""
        options = ("--prefer-offline", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
        await self.run("npm", "install", *options, *packages, timeout_s=INSTALL_S)

    async def run(self, *command: str | Path, timeout_s: float = DEADLINE_S) -> str:
        """What a command prints, with our Node first on the path."""
        return await run(WITH_NODE, *command, cwd=self.folder, timeout_s=timeout_s)

    def configure(self, **compiler_options: Any) -> None:
        """Write the tsconfig.json, as strict as can be."""
        options = {"strict": True, "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True}
        config = {"compilerOptions": options | compiler_options, "include": ["*.ts", "*.tsx"]}
        (self.folder / "tsconfig.json").write_text(json.dumps(config))
