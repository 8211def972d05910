"""Acknowledged actions are in Kafka, and a detector reads each exactly once, whatever is restarted meanwhile."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from e2e.actions_chaos import END, PARTITIONS, SECRET, TOPIC, Played, Scenario, play, reader
from support.kafka_broker import KafkaBroker
from support.processes import EdgeProcess, touchline_command
from support.sdk_player import SdkActionReader, logged_actions
from touchline_loadtest.checks.comparison.action_check import check_actions
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.actions.reader import read_actions
from touchline_protocol.actions import ActionRecord

MINUTES_MAX = 15
SHOWN = 10
"""How many faults a failure shows: more would not help."""

CONFIG = f"""
drain_s = 0.2
[feeds]
match = {{ topic = "match-events" }}
[auth]
hs256_secret = "{SECRET}"
[actions]
topic = "{TOPIC}"
"""


@pytest.mark.timeout(MINUTES_MAX * 60)
@pytest.mark.parametrize(
    "scenario", [Scenario(6, 6), pytest.param(Scenario(200, 120), marks=pytest.mark.long)], ids=["short", "full"]
)
async def test_what_is_acknowledged_is_in_the_log_and_read_once(
    scenario: Scenario,
    kafka_factory: Callable[..., KafkaBroker],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker = kafka_factory()
    log = f"kafka://{broker.address}"
    config = tmp_path / "touchline.toml"
    config.write_text(CONFIG)
    await touchline_command(
        "topics", "--create", "--partitions", str(PARTITIONS), "--log", log, "--config", str(config)
    )
    ports = free_ports(4)
    edges = [EdgeProcess(f"edge-{n}", log, config, (ports[2 * n], ports[2 * n + 1])) for n in range(2)]
    try:
        await asyncio.gather(*(edge.start() for edge in edges))
        played = await play(scenario, broker, edges)
    finally:
        await asyncio.gather(*(edge.stop() for edge in edges))
    records = [record for record in await read_actions(broker.address, TOPIC) if record.player != END]
    later = reader(broker.address, "later")
    await later.read(PARTITIONS)
    with capsys.disabled():
        sys.stdout.write(f"\n{_summary(played, records, later)}\n")
        sys.stdout.flush()

    assert [what for what in played.restarts if what.startswith("edge ended")] == []
    assert {"edge SIGTERM", "edge SIGKILL"} < set(played.restarts), "nothing happened"
    assert [why for player in played.players for why in player.unexpected][:SHOWN] == []
    acted = [each for player in played.players for each in player.acted]
    logged = logged_actions(records)
    readers = {"a live reader": played.live.seen, "a later reader": later.seen}
    assert check_actions(acted, logged, readers)[:SHOWN] == []
    firsts = list(dict.fromkeys(each.action for each in logged))
    for player in played.players:
        numbers = [action.value for action in firsts if action.player == player.name]
        assert numbers == list(range(player.sent)), "the log has what the player did, in that order"


def _summary(played: Played, records: Sequence[ActionRecord], later: SdkActionReader) -> str:
    copies = Counter((record.player, record.session, record.id) for record in records)
    lines = {
        "seconds": round(played.took_s),
        "players": len(played.players),
        "actions": sum(player.sent for player in played.players),
        "acknowledged": sum(not each.code for player in played.players for each in player.acted),
        "after s, the last one": round(max(player.longest_s for player in played.players)),
        "otherwise answered": sum(len(player.unexpected) for player in played.players),
        "records in the log": len(records),
        "of them copies": len(records) - len(copies),
        "handed out live": len(played.live.seen),
        "duplicates dropped live": played.live.duplicates,
        "handed out later": len(later.seen),
        "duplicates dropped later": later.duplicates,
        **played.restarts,
        "players cut off": played.cuts,
    }
    return "\n".join(f"{name:24}{number:>8,}" for name, number in lines.items())
