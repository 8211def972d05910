"""What a load test is asked to do: values without a meaning are errors that name the option."""

from pathlib import Path
from typing import Any

import pytest

from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.rig.settings import FILES_BESIDES, LoadTest
from touchline_protocol.errors import OperatorError

FOLDER = Path("run")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"users": 0}, "--users is 0"),
        ({"processes": 0}, "--processes is 0"),
        ({"edges": 17}, "--edges is 17"),
        ({"matches": 0}, "--matches is 0"),
        ({"workers": 0}, "--workers is 0"),
        ({"keepers": 17}, "--keepers is 17"),
        ({"drain_s": 31.0}, "--drain-seconds is 31"),
        ({"brokers": 2}, "--brokers is 2"),
        ({"brokers": 3, "kafka": "127.0.0.1:9092"}, "--brokers .* --kafka"),
        ({"shape": "worker-kill"}, "--workers 2"),
        ({"shape": "fleet-faults", "seconds": 240.0}, "--workers 2, --keepers 2, --brokers 3"),
        ({"shape": "fleet-faults", "workers": 2, "keepers": 2, "brokers": 3, "seconds": 60.0}, "--seconds 120"),
        ({"seconds": 1.0}, "--seconds is 1"),
        ({"seconds": float("nan")}, "--seconds is nan"),
        ({"speed": 0.0}, "--speed is 0"),
        ({"shape": "avalance"}, "avalanche"),
        ({"swarm": 10}, "--swarm is 10"),
        ({"swarm": 100, "swarm_processes": 0}, "--swarm-processes is 0"),
        ({"swarm": 100, "shape": "avalanche"}, "--shape avalanche"),
        ({"swarm": 100, "shape": "worker-kill", "workers": 2}, "--shape worker-kill"),
        ({"swarm": 100, "shape": "kickoff", "seconds": 30.0}, "--seconds is 30, .* 40"),
    ],
)
def test_a_setting_without_meaning_is_an_error_that_names_it(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(OperatorError, match=named):
        LoadTest(folder=FOLDER, **settings)


def test_a_fleet_needs_nothing_else_to_have_all_its_faults() -> None:
    test = LoadTest(folder=FOLDER, shape="fleet-faults", workers=2, keepers=2, brokers=3, seconds=120.0)
    assert {cue.kind for cue in test.schedule.cues} >= {
        CueKind.KILL,
        CueKind.KILL_WORKER,
        CueKind.KILL_KEEPER,
        CueKind.KILL_REDIS,
        CueKind.EMPTY_REDIS,
        CueKind.KILL_BROKER,
        CueKind.KILL_KAFKA,
    }


def test_users_go_through_a_relay_only_where_something_needs_it() -> None:
    assert not LoadTest(folder=FOLDER, shape="kick-off").relayed
    assert LoadTest(folder=FOLDER, shape="Avalanche").relayed
    assert LoadTest(folder=FOLDER, edges=2).relayed


def test_a_relayed_user_takes_two_files() -> None:
    assert LoadTest(folder=FOLDER, users=1000).files == 1000 + FILES_BESIDES
    assert LoadTest(folder=FOLDER, users=1000, edges=2).files == 2000 + FILES_BESIDES
    assert LoadTest(folder=FOLDER, users=1000, swarm=500).files == 1500 + FILES_BESIDES
