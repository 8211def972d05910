"""The snippets of the TypeScript SDK's README: their types are right, and they run to their end against a real node."""

import asyncio
import contextlib
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from js.package import CLIENTS, WITH_NODE, run
from support.node_fixture import DEADLINE_S, RunningNode, running_node

README = CLIENTS / "js" / "README.md"
SNIPPETS = re.findall(r"```ts\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
SECRET = "a test secret that is long enough"
SETTINGS: dict[str, Any] = {"auth": {"hs256_secret": SECRET}}
TSCONFIG = """{
  "compilerOptions": {
    "target": "es2022", "module": "esnext", "moduleResolution": "bundler", "strict": true, "types": [], "noEmit": true,
    "lib": ["es2022", "dom", "dom.iterable"], "skipLibCheck": true
  },
  "include": ["*.ts"]
}"""
PAGE = """
// What pages have, and Node has not.
const kept = new Map();
globalThis.sessionStorage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => void kept.set(key, value),
  removeItem: (key) => void kept.delete(key),
};
globalThis.fetch = async () => new Response(process.env.TOKEN);
"""


@pytest.fixture(scope="session")
def snippets(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package and every snippet in a file of its own."""
    project = tmp_path_factory.mktemp("readme")
    modules = project / "node_modules"
    shutil.copytree(package, modules / "touchline")
    modules.joinpath("ws").symlink_to(CLIENTS / "node_modules" / "ws")
    modules.joinpath("@types").mkdir()
    modules.joinpath("@types", "ws").symlink_to(CLIENTS / "node_modules" / "@types" / "ws")
    modules.joinpath("@types", "node").symlink_to(CLIENTS / "node_modules" / "@types" / "node")
    (project / "tsconfig.json").write_text(TSCONFIG)
    (project / "package.json").write_text('{"type": "module"}')
    (project / "page.js").write_text(PAGE)
    for number, code in enumerate(SNIPPETS):
        (project / f"snippet{number}.ts").write_text(code)
    return project


@contextlib.asynccontextmanager
async def publishing(node: RunningNode) -> AsyncIterator[None]:
    """Something happens in the rooms of the snippets, again and again."""

    async def publish() -> None:
        for number in range(10_000):
            await node.publish("score:15946", {"home": number, "away": 0}, key="score")
            await node.publish("match:15946", {"kind": "goal", "minute": number})
            await asyncio.sleep(0.05)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_types_of_the_snippets_are_right(snippets: Path) -> None:
    await run(WITH_NODE, "tsc", "--project", snippets)


async def test_the_snippets_run_to_their_end(snippets: Path) -> None:
    claims = {"sub": "ada", "act": ["*"], "exp": round(time.time() + 600)}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    async with running_node(**SETTINGS) as node, publishing(node), asyncio.timeout(DEADLINE_S):
        for number, code in enumerate(SNIPPETS):
            (snippets / f"snippet{number}.ts").write_text(code.replace("ws://localhost:8080/ws", node.url))
        command = ("env", f"TOKEN={token}", WITH_NODE, "node", "--import", snippets / "page.js")
        printed = await asyncio.gather(*[run(*command, snippets / f"snippet{n}.ts") for n in range(len(SNIPPETS))])
    assert [number for number, text in enumerate(printed) if not text.strip()] == QUIET
    assert "score" in printed[0].splitlines()[0]  # the state, and then an event
    assert "home" in printed[0].splitlines()[-1]


QUIET = [number for number, code in enumerate(SNIPPETS) if "console.log" not in code]
"""Snippets that print nothing."""
