"""Acknowledged actions are in Kafka, and a detector reads each exactly once, whatever is restarted meanwhile."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from e2e.actions_chaos import END, PARTITIONS, SECRET, TOPIC, Detector, Played, Scenario, play
from support.kafka_broker import KafkaBroker
from support.processes import EdgeProcess, touchline_command
from touchline_loadtest.measure.action_reader import read_actions
from touchline_loadtest.rig.free_ports import free_ports
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
    "scenario", [Scenario(20, 6), pytest.param(Scenario(200, 120), marks=pytest.mark.long)], ids=["short", "full"]
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
    later = Detector("later")
    await later.read(broker.address)
    with capsys.disabled():
        sys.stdout.write(f"\n{_summary(played, records, later)}\n")
        sys.stdout.flush()

    assert [what for what in played.restarts if what.startswith("edge ended")] == []
    assert {"edge SIGTERM", "edge SIGKILL"} < set(played.restarts), "nothing happened"
    assert [why for player in played.players for why in player.unexpected][:SHOWN] == []
    sent = {player.name: player.sent for player in played.players}
    logged = _first_copies(records)
    assert _differences({player.name: sorted(player.acked) for player in played.players}, sent) == []
    assert _differences(logged, sent) == [], "the log has what was acknowledged, and nothing else, in order"
    assert _differences(_read(played.live), logged) == []
    assert _differences(_read(later), logged) == []


def _first_copies(records: Sequence[ActionRecord]) -> dict[str, list[int]]:
    """The numbers of each player's actions, in the order of the log, without a second copy of (player, session, id)."""
    seen = set()
    numbers: dict[str, list[int]] = {}
    for record in records:
        if (copy := (record.player, record.session, record.id)) not in seen:
            seen.add(copy)
            numbers.setdefault(record.player, []).append(msgspec.json.decode(record.data)["number"])
    return numbers


def _read(detector: Detector) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for action in detector.found:
        numbers.setdefault(action.player, []).append(action.data["number"])
    return numbers


def _differences(found: Mapping[str, list[int]], wanted: Mapping[str, list[int]]) -> list[str]:
    """What is wrong with the numbers of some players' actions, in a few words each: there may be thousands."""
    wrong = []
    for player in found.keys() | wanted.keys():
        numbers, right = found.get(player, []), wanted.get(player, [])
        if numbers != right:
            lacking = sorted(set(right) - set(numbers))
            others = sorted((Counter(numbers) - Counter(right)).elements())
            wrong.append(f"{player}: {len(lacking)} lacking {lacking[:9]}, {len(others)} too many {others[:9]}")
    return wrong[:SHOWN]


def _summary(played: Played, records: Sequence[ActionRecord], later: Detector) -> str:
    copies = Counter((record.player, record.session, record.id) for record in records)
    lines = {
        "seconds": round(played.took_s),
        "players": len(played.players),
        "actions": sum(len(player.sent) for player in played.players),
        "acknowledged": sum(len(player.acked) for player in played.players),
        "after s, the last one": round(max(player.longest_s for player in played.players)),
        "otherwise answered": sum(len(player.unexpected) for player in played.players),
        "records in the log": len(records),
        "of them copies": len(records) - len(copies),
        "handed out live": len(played.live.found),
        "duplicates dropped live": played.live.duplicates,
        "handed out later": len(later.found),
        "duplicates dropped later": later.duplicates,
        **played.restarts,
        "players cut off": played.cuts,
    }
    return "\n".join(f"{name:24}{number:>8,}" for name, number in lines.items())
