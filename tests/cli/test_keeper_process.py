"""``touchline keeper`` as users run it: in a process of its own, stopped by signals, or refused where it is useless."""

import asyncio
import json
import re
import signal
import urllib.request
import uuid

import pytest

from cli.processes import line_named, run, running, stop
from support.kafka_broker import KafkaBroker
from support.redis_server import RedisServer


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_keeper_keeps_and_leaves_its_group_at_once(
    kafka: KafkaBroker, redis: RedisServer, number: signal.Signals
) -> None:
    topic = f"scores-{uuid.uuid4().hex[:12]}"
    asyncio.run(kafka.create(topic, 1))
    env = {
        "TOUCHLINE_LOG": f"kafka://{kafka.address}",
        "TOUCHLINE_REDIS__URL": redis.url,
        "TOUCHLINE_REDIS__PREFIX": topic,
        "TOUCHLINE_LOGGING__FORMAT": "json",
        "TOUCHLINE_EDGE_NAME": "first",
        "TOUCHLINE_FEEDS": json.dumps({"score": {"topic": topic}}),
    }
    for _ in range(2):  # the second one need not wait for the first one's session to time out
        with running("keeper", "--port", "0", env=env) as process:
            ready = line_named(process, "keeper_ready")
            assert ready["group"] == f"{topic}-keeper"
            kept = line_named(process, "partition_kept")
            assert (kept["topic"], kept["partition"]) == (topic, 0)
            with urllib.request.urlopen(f"http://{ready['health']}/healthz") as answer:
                assert answer.status == 200
            with urllib.request.urlopen(f"http://{ready['health']}/readyz") as answer:
                assert f"{topic}/0" in json.load(answer)["partitions"]
            assert (kept["keeper"], "edge" in kept) == ("first", False)
            process.send_signal(signal.SIGHUP)
            line_named(process, "reload_ignored")
            code, _, errors = stop(process, number)
            assert code == 0
            signalled, *_, last = map(json.loads, errors.splitlines())
            assert (signalled["event"], signalled["signal"]) == ("signal_received", number.name)
            assert "drain" not in signalled["action"]
            assert last["event"] == "keeper_stopped"


@pytest.mark.long
@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"TOUCHLINE_LOG": "sqlite://", "TOUCHLINE_REDIS__URL": "redis://127.0.0.1:1"}, "embedded log"),
        ({"TOUCHLINE_LOG": "kafka://127.0.0.1:1"}, r"redis\.url"),
        ({"TOUCHLINE_LOG": "kafka://127.0.0.1:1", "TOUCHLINE_KEEPER__PORT": "70000"}, "TOUCHLINE_KEEPER__PORT"),
    ],
)
def test_a_keeper_that_would_be_of_no_use_says_why(env: dict[str, str], names: str) -> None:
    done = run("keeper", env={"TOUCHLINE_KEEPER__PORT": "0", **env})
    assert done.returncode == 2
    assert re.search(names, done.stderr)


@pytest.mark.long
def test_a_port_out_of_range_is_refused_by_the_name_of_its_flag() -> None:
    done = run("keeper", "--port", "70000")
    assert done.returncode == 2
    assert "--port" in done.stderr
