"""A project of a user of the npm package: an empty folder into which the packed package is installed."""

import json
import shutil
from pathlib import Path
from typing import Any

from js.package import CLIENTS, WITH_NODE, run

CONSUMERS = Path(__file__).parent / "consumers"


def version_of(package: str) -> str:
    """The version of a package that our own lock has, so that npm's cache has it too."""
    packages = json.loads((CLIENTS / "package-lock.json").read_text("utf-8"))["packages"]
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
        await self.run("npm", "install", *options, *packages)

    async def run(self, *command: str | Path) -> str:
        """What a command prints, with our Node first on the path."""
        return await run(WITH_NODE, *command, cwd=self.folder)

    def configure(self, **compiler_options: Any) -> None:
        """Write the tsconfig.json, as strict as can be."""
        options = {"strict": True, "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True}
        config = {"compilerOptions": options | compiler_options, "include": ["*.ts", "*.tsx"]}
        (self.folder / "tsconfig.json").write_text(json.dumps(config))
