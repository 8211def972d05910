"""The main job: every client sees the whole match, in order, once, whatever happens to it and to the edges."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from e2e.whole_match import REPLAY_SPEED, Scenario, play
from matches.known import KNOWN
from support.kafka_broker import KafkaBroker
from support.kafka_truth import read_log
from support.processes import EdgeProcess, touchline_command
from touchline_demo.matches.statsbomb import read_match
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.free_ports import free_ports

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
    topics = {"match": f"whole-match-{clients}", "score": f"whole-score-{clients}"}
    log = f"kafka://{kafka.address}"
    config = tmp_path / "touchline.toml"
    config.write_text("[feeds]\n" + "".join(f'{feed} = {{ topic = "{topic}" }}\n' for feed, topic in topics.items()))
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
    held = await read_log(kafka.address, topics)
    assert check_room(held.room("match:15946"), [client.match for client in seen]) == []
    assert check_room(held.room("score:15946"), [client.score for client in seen]) == []
    score = {item.key: item.data for item in timeline if item.feed == "score"}
    for client in seen:  # and all of that is what the file has
        whole = client.kind != "joins late"
        assert client.events == scenario.events[0 if whole else -len(client.events) :]
        assert (client.state, client.restarts) == (score, 0)
