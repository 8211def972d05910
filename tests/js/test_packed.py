"""The npm package as its users install it: `npm pack`, then projects of theirs, each against a real server.

The gate has the plain one. The others install compilers and runtimes, so they are long.
"""

import asyncio
import json
import platform
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from js.consumer import Consumer, version_of
from js.package import CLIENTS, ROOT, WITH_NODE, run
from support.browser import open_page
from support.made_once import made_once
from support.node_fixture import DEADLINE_S, RunningNode, running_node
from support.web_folder import served

SECRET = "a test secret that is long enough"
ROOM = "match:1"
EVENTS = [{"key": None, "data": "kick-off"}, {"key": "score", "data": {"home": 1, "away": 0}}]
END = {"key": None, "data": "end"}
ARCHITECTURE = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]


def token() -> str:
    claims = {"sub": "ada", "rooms": ["*"], "act": ["match:*"], "exp": round(time.time() + 600)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.fixture(scope="session")
def tarball(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed package."""
    sources = CLIENTS / "js"

    def pack(folder: Path) -> None:
        shutil.copytree(package / "dist", folder / "dist")
        for path in (sources / "package.json", sources / "LICENSE", *sources.glob("*.md")):
            shutil.copy(path, folder)
        asyncio.run(run(WITH_NODE, "npm", "pack", "--loglevel=error", cwd=folder))

    (packed,) = made_once(tmp_path_factory, "js-tarball", pack).glob("*.tgz")
    return packed


@pytest_asyncio.fixture(loop_scope="session")
async def node() -> AsyncIterator[RunningNode]:
    """A server with a match that has begun."""
    async with running_node(auth={"hs256_secret": SECRET}) as node:
        await node.publish(ROOM, "kick-off")
        await node.publish(ROOM, {"home": 1, "away": 0}, key="score")
        await node.publish(ROOM, "end")
        yield node


async def follow(consumer: Consumer, node: RunningNode, *command: str) -> list[Any]:
    """What a client of the room reports, a JSON value a line, until it ends by itself."""
    return [json.loads(line) for line in (await consumer.run(*command, node.url, token())).splitlines()]


FOLLOWED = [{"state": {"score": {"home": 1, "away": 0}}}, *EVENTS, END, {"id": 1}]


@pytest.fixture(scope="session")
def javascript_project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """An empty JavaScript project with the package, and nothing else."""
    consumer = Consumer(tmp_path_factory.mktemp("javascript") / "project", "javascript")
    asyncio.run(consumer.install(tarball))
    return consumer


async def test_an_empty_javascript_project_follows_a_room_and_acts(
    javascript_project: Consumer, node: RunningNode
) -> None:
    installed = {path.name for path in (javascript_project.folder / "node_modules").iterdir()}
    assert {name for name in installed if not name.startswith(".")} == {"touchline"}  # it brings nothing along
    assert await follow(javascript_project, node, "node", "follow.mjs") == FOLLOWED


async def test_the_snippet_of_the_readme_follows_a_room(javascript_project: Consumer, node: RunningNode) -> None:
    (snippet,) = re.findall(r"^```ts\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    program = javascript_project.folder / "watch.ts"
    program.write_text(snippet.replace("ws://localhost:8080/ws", node.url))
    command = (WITH_NODE, "node", program)
    client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        await node.publish("score:15946", {"home": 1}, key="score")
        assert await client.stdout.readline() == b"score { home: 1 }\n"
        await node.publish("score:15946", {"home": 2}, key="score")
        assert await client.stdout.readline() == b"score { home: 2 }\n"
        client.terminate()
        await client.wait()


@pytest.mark.long
@pytest.mark.parametrize(
    ("runtime", "binary", "command"),
    [
        (f"node-linux-{ARCHITECTURE}@20.20.2", "node", ()),
        (f"@deno/linux-{ARCHITECTURE}-glibc@2.9.6", "deno", ("run", "--allow-net", "--allow-env", "--allow-read")),
        (f"@oven/bun-linux-{ARCHITECTURE.replace('arm', 'aarch')}@1.4.4", "bun", ()),
    ],
    ids=["node-20", "deno", "bun"],
)
async def test_other_runtimes_do_so_too(
    runtime: str, binary: str, command: tuple[str, ...], tarball: Path, tmp_path: Path, node: RunningNode
) -> None:
    consumer = Consumer(tmp_path / "project", "javascript")
    await consumer.install(tarball, runtime, *(["ws@8.23.0"] if binary == "node" else []))
    folder = consumer.folder / "node_modules" / runtime.rpartition("@")[0]
    (program,) = [path for path in folder.rglob(binary) if path.is_file()]
    program.chmod(0o755)
    assert await follow(consumer, node, str(program), *command, "follow.mjs") == FOLLOWED


@pytest.mark.long
@pytest.mark.parametrize("resolution", ["node16", "bundler"])
@pytest.mark.parametrize("typescript", ["5.9.3", version_of("typescript")])
async def test_an_empty_typescript_project_has_the_right_types(
    typescript: str, resolution: str, tarball: Path, tmp_path: Path, node: RunningNode
) -> None:
    consumer = Consumer(tmp_path / "project", "typescript")
    await consumer.install(tarball, f"typescript@{typescript}", f"@types/node@{version_of('@types/node')}")
    module = "node16" if resolution == "node16" else "preserve"
    consumer.configure(module=module, moduleResolution=resolution, target="es2022", types=["node"], outDir="built")
    await consumer.run("npx", "tsc")
    lines = (await consumer.run("node", "built/follow.js", node.url, token())).splitlines()
    assert json.loads(lines[0]) == {"home": 1, "tooSlow": 4000}
    assert lines[1:3] == ["KICK-OFF true", "END true"]
    assert json.loads(lines[3]) == {"id": 1}


REACT_18 = ("react@18.3.1", "react-dom@18.3.1", "@types/react@18.3.32", "@types/react-dom@18.3.7")
REACT = tuple(f"{name}@{version_of(name)}" for name in ("react", "react-dom", "@types/react", "@types/react-dom"))


@pytest.mark.long
@pytest.mark.parametrize("react", [REACT_18, REACT], ids=["react-18", "newest"])
async def test_a_page_with_vite_and_react_shows_a_room_and_acts(
    react: tuple[str, ...], browser: Browser, tarball: Path, tmp_path: Path, node: RunningNode
) -> None:
    consumer = Consumer(tmp_path / "project", "react")
    tools = (f"{name}@{version_of(name)}" for name in ("vite", "typescript"))
    await consumer.install(tarball, *react, *tools)
    consumer.configure(
        module="preserve", moduleResolution="bundler", target="es2022", jsx="react-jsx", noEmit=True, types=["react"]
    )
    await consumer.run("npx", "tsc")
    await consumer.run("npx", "vite", "build")
    with served(consumer.folder / "dist") as address:
        async with open_page(browser) as page:
            await page.goto(f"{address}/?url={node.url}&token={token()}")
            await page.get_by_text("open joined").wait_for(timeout=DEADLINE_S * 1000)
            await page.get_by_text("1:0").wait_for(timeout=DEADLINE_S * 1000)
            await node.publish(ROOM, {"home": 2, "away": 0}, key="score")
            await page.get_by_text("2:0").wait_for(timeout=DEADLINE_S * 1000)
            assert await page.locator("li").count() == 4
            await page.get_by_role("button").click()
            await page.get_by_text("acted 1").wait_for(timeout=DEADLINE_S * 1000)
        assert len(node.connections) <= 1
