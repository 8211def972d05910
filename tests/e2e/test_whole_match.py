"""The main job: every client sees the whole match, in order, once, whatever happens to it and to the edges."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from e2e.whole_match import REPLAY_SPEED, Scenario, Seen, play
from matches.known import KNOWN
from support.kafka_broker import KafkaBroker
from support.processes import EdgeProcess, touchline_command
from touchline_demo.matches.statsbomb import read_match
from touchline_loadtest.rig.free_ports import free_ports

PARTITIONS = 8
MINUTES_MAX = 20
"""At full size all of it runs on two cores, the broker and a thousand clients included."""


@pytest.mark.timeout(MINUTES_MAX * 60)
@pytest.mark.parametrize("clients", [45, pytest.param(1000, marks=pytest.mark.long)])
async def test_every_client_sees_the_whole_match_in_order_and_once(
    clients: int, kafka: KafkaBroker, tmp_path: Path
) -> None:
    file = KNOWN[min(1, len(KNOWN) - 1)].path  # a real match where there is one
    timeline = list(read_match(file).timeline)
    scenario = Scenario(
        clients,
        file,
        match_id="15946",
        events=msgspec.json.decode(file.read_bytes()),
        length_s=timeline[-1].due_s / REPLAY_SPEED,
    )
    score = {item.key: item.data for item in timeline if item.feed == "score"}
    log = f"kafka://{kafka.address}"
    config = tmp_path / "touchline.toml"
    config.write_text(
        f'[feeds]\nmatch = {{ topic = "whole-match-{clients}" }}\nscore = {{ topic = "whole-score-{clients}" }}\n'
    )
    await touchline_command(
        "topics", "--create", "--partitions", str(PARTITIONS), "--log", log, "--config", str(config)
    )
    ports = free_ports(4)
    edges = [EdgeProcess(f"edge-{n}", log, config, (ports[2 * n], ports[2 * n + 1])) for n in range(2)]
    try:
        await asyncio.gather(*(edge.start() for edge in edges))
        seen, cuts = await play(scenario, log, config, edges)
    finally:
        await asyncio.gather(*(edge.stop() for edge in edges))

    assert len(seen) == clients
    assert cuts >= clients // 6, "the network did not fail enough to mean something"
    for client in seen:
        _check(client, scenario, score)


def _check(client: Seen, scenario: Scenario, score: Mapping[str | None, object]) -> None:
    assert client.gaps == 0
    assert client.restarts == 0
    offsets = [event.offset for event in client.events]
    assert offsets == sorted(set(offsets))
    seen = [event.data for event in client.events]
    if client.kind == "joins late":
        assert seen == scenario.events[len(scenario.events) - len(seen) :]
    else:
        assert seen == scenario.events
    assert client.score == score
