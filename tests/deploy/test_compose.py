"""deploy/compose/compose.yml: its topology started as processes, each of which is killed while the checker watches."""

import asyncio
import json
import os
import signal
import subprocess
import textwrap
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psutil
import pytest

from deploy.image import ROOT, built_image
from deploy.page import Command, commands_checked
from deploy.queries import dashboard_queries
from deploy.topology.compose_file import compose_config
from deploy.topology.names import known_here
from deploy.topology.runner import Topology
from deploy.topology.traffic import Traffic
from support.kafka_broker import demand_kafka
from touchline_loadtest.rig.relay import Relay

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

COMPOSE = ROOT / "deploy" / "compose"
SEED = 1
READY_S_MAX = 120.0
SILENCE_S = 5.0
BOTS = 2
"""One cheats after cheatwatch was killed, and one after everything was."""
EMPTY_SHARE_MAX = 0.35
"""Some queries are about what goes wrong, and some about what nobody does here."""
FINDINGS = {0, 1}
"""The doctor's exit codes: nothing to change, or something."""
CURL_TIMEOUT = 28
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """The secrets of the compose file, made as the page says."""
    subprocess.run([COMPOSE / "make-secrets.sh"], check=True, capture_output=True)
    lines = (COMPOSE / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
async def topology(secrets: dict[str, str], tmp_path: Path) -> AsyncIterator[Topology]:
    demand_kafka()
    topology = Topology(COMPOSE / "compose.yml", built_image(), tmp_path, Random(os.getpid()))
    with known_here(topology.addresses):
        async with topology.running():
            yield topology


def test_a_topology_without_secrets_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_bytes((COMPOSE / "compose.yml").read_bytes())
    loaded = compose_config(tmp_path / "compose.yml")
    assert loaded.returncode == 1
    assert "make-secrets.sh" in loaded.stderr


def test_a_certificate_is_added_as_the_page_says(secrets: dict[str, str], tmp_path: Path) -> None:
    page = (ROOT / "deploy/README.md").read_text("utf-8")
    override = tmp_path / "compose.override.yml"
    override.write_text(textwrap.dedent(page.partition("```yaml\n")[2].partition("```")[0]))
    loaded = compose_config(COMPOSE / "compose.yml", override)
    assert loaded.returncode == 0, loaded.stderr
    haproxy = json.loads(loaded.stdout)["services"]["haproxy"]
    assert haproxy["environment"].keys() == {"EDGE_1", "EDGE_2", "METRICS", "TLS_CERTIFICATE"}
    assert {each["target"] for each in haproxy["ports"]} == {8080, 443}
    mounted = {each["target"] for each in haproxy["volumes"]}
    assert haproxy["environment"]["TLS_CERTIFICATE"] in mounted


def test_secrets_are_made_once_and_differ(secrets: dict[str, str]) -> None:
    before = (COMPOSE / ".env").read_bytes()
    subprocess.run([COMPOSE / "make-secrets.sh"], check=True, capture_output=True)
    assert (COMPOSE / ".env").read_bytes() == before
    assert len(set(secrets.values())) == len(secrets) == 6
    assert all(len(each) == 64 for each in secrets.values())
    assert (COMPOSE / ".env").stat().st_mode & 0o077 == 0
    ignored = subprocess.run(
        ["git", "check-ignore", COMPOSE / ".env", COMPOSE / "secrets/users.acl"], check=True, cwd=ROOT
    )
    assert ignored.returncode == 0


async def test_the_topology_survives_the_kill_of_each_of_its_processes(
    topology: Topology, secrets: dict[str, str]
) -> None:
    assert topology.absent == ["grafana"]
    brokers = ",".join(f"{name}:9092" for name in ("kafka-1", "kafka-2", "kafka-3"))
    random = Random(SEED)
    killed = []
    async with Relay([8080], random, topology.addresses["haproxy"]).running() as published:
        traffic = Traffic(published.port, brokers, secrets["TOUCHLINE_TOKEN_SECRET"], random)
        async with traffic.running():
            await traffic.until_flowing()
            for name, service in topology.services.items():
                if service.service.restart != "unless-stopped":
                    continue
                starts = service.starts
                service.kill()
                killed.append(name)
                await until_started(topology, name, starts)
                await until_nothing_is_wrong(topology)
                await traffic.until_flowing()
                if name == "cheatwatch":
                    await traffic.until_judged()
            for edge in ("edge-1", "edge-2"):
                workers = psutil.Process(topology.services[edge].pid).children()
                workers[0].send_signal(signal.SIGKILL)
                await until_nothing_is_wrong(topology)
                await traffic.until_flowing()
            await traffic.until_judged()
    assert traffic.breaches == [], traffic.counts
    assert set(killed) == topology.services.keys() - {"topics"}
    assert traffic.counts["events received"] > traffic.counts["events acknowledged"] > 500
    assert traffic.counts["resumed"] > 20
    assert traffic.counts["bots muted"] == BOTS
    await until_scraped(topology)
    assert await targets_of(topology) == {
        "touchline-edge": 2,
        "touchline-keeper": 2,
        "cheatwatch": 1,
        "haproxy": 1,
        "prometheus": 1,
    }
    codes = await topology.stop()
    ours = {name: code for name, code in codes.items() if name.startswith(("edge", "keeper", "cheatwatch"))}
    assert set(ours.values()) == {0}, ours


async def test_the_commands_of_the_page_work_and_the_dashboards_show_something(
    topology: Topology, secrets: dict[str, str]
) -> None:
    commands = commands_checked("topology")
    restarts = [each for each in commands if each.words[2:3] in (["restart"], ["up"], ["build"])]
    brokers = ",".join(f"{name}:9092" for name in ("kafka-1", "kafka-2", "kafka-3"))
    random = Random(SEED)
    async with Relay([8080], random, topology.addresses["haproxy"]).running() as published:
        traffic = Traffic(published.port, brokers, secrets["TOUCHLINE_TOKEN_SECRET"], random)
        async with traffic.running():
            await traffic.until_flowing()
            for command in restarts:
                await carry_out(topology, command, published.port)
                await traffic.until_flowing()
            await until_scraped(topology)
            queries = {query for file in DASHBOARDS for query in dashboard_queries(file)}
            empty = [each for each in sorted(queries) if not await query(topology, each)]
        # They publish to rooms that the traffic's clients watch, who would not understand it.
        for command in commands:
            if command not in restarts:
                await carry_out(topology, command, published.port)
    assert traffic.breaches == [], traffic.counts
    assert len(empty) < len(queries) * EMPTY_SHARE_MAX, empty
    firing = await query(topology, 'ALERTS{alertstate="firing",severity="critical"}')
    assert [each["metric"]["alertname"] for each in firing] == []


async def carry_out(topology: Topology, command: Command, port: int) -> None:
    """Do what a command of the page says."""
    match command.words:
        case ["docker", "compose", "exec", service, *words]:
            done = await asyncio.to_thread(topology.execute, service, words)
            assert done.returncode == 0, done.stderr
        case ["/opt/touchline/bin/touchline", *words]:
            done = await asyncio.to_thread(topology.execute, "edge-1", ["touchline", *words])
            assert done.returncode in FINDINGS, done.stdout + done.stderr
        case ["curl", *_]:
            text = command.text.replace("localhost:8080", f"127.0.0.1:{port}")
            shown = await asyncio.to_thread(
                subprocess.run, text, shell=True, capture_output=True, text=True, check=False
            )
            assert shown.returncode == CURL_TIMEOUT, shown.stderr
            assert '{"home": 1, "away": 0}' in shown.stdout
        case ["docker", "compose", "restart" | "up" | "build", *words]:
            # The topology is up; `up` of one service replaces it, as `restart` does.
            for service in topology.services.keys() & set(words):
                assert await topology.services[service].stop() == 0
                await until_nothing_is_wrong(topology)
        case _:
            pytest.fail(f"nothing here carries out: {command.text}")


async def until_started(topology: Topology, name: str, starts: int) -> None:
    """Wait until a service that was killed was started again."""
    async with asyncio.timeout(READY_S_MAX):
        while topology.services[name].starts == starts:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def until_nothing_is_wrong(topology: Topology) -> None:
    """Wait until every service is healthy, and edges and keepers know of no problem."""
    await topology.until_healthy()
    urls = [f"http://{topology.addresses[edge]}:8081/readyz/strict" for edge in ("edge-1", "edge-2")]
    urls += [f"http://{topology.addresses[keeper]}:8082/readyz" for keeper in ("keeper-1", "keeper-2")]
    async with httpx.AsyncClient(trust_env=False, timeout=SILENCE_S) as client, asyncio.timeout(READY_S_MAX):
        while any(await asyncio.gather(*(has_problem(client, url) for url in urls))):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def has_problem(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code != httpx.codes.OK
    except httpx.HTTPError:
        return True


async def query(topology: Topology, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers."""
    url = f"http://{topology.addresses['prometheus']}:9090/api/v1/query?query={urllib.parse.quote(expression)}"
    async with httpx.AsyncClient(trust_env=False, timeout=SILENCE_S) as client:
        body = json.loads((await client.get(url)).content)
    assert body["status"] == "success", body
    found: list[dict[str, Any]] = body["data"]["result"]
    return found


async def targets_of(topology: Topology) -> dict[str, int]:
    """How many targets of each job answer."""
    return {each["metric"]["job"]: int(each["value"][1]) for each in await query(topology, "sum by (job) (up)")}


async def until_scraped(topology: Topology) -> None:
    """Wait until Prometheus has read every target."""
    async with asyncio.timeout(READY_S_MAX):
        while await query(topology, "up == 0"):  # noqa: ASYNC110
            await asyncio.sleep(1)
