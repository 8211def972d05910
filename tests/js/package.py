"""Node's programs, and the built package of the TypeScript SDK."""

import asyncio
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
WITH_NODE = ROOT / "scripts" / "with_node.sh"


async def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program to completion, and return what it printed.

    Raises:
        AssertionError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def build_package(folder: Path) -> None:
    """Build the package in ``folder``, and not where other tests and checks may be building it."""
    await run(ROOT / "scripts" / "install_js.sh")
    source = CLIENTS / "js"
    await run(WITH_NODE, "tsdown", "--out-dir", str(folder / "dist"), cwd=source)
    manifest = json.loads((source / "package.json").read_text("utf-8"))
    kept = {name: manifest[name] for name in ("name", "version", "type", "exports")}
    (folder / "package.json").write_text(json.dumps(kept))
