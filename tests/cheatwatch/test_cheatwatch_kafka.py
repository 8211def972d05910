"""cheatwatch with a real Kafka: actions in, verdicts out, each once, also over restarts; operators; and mistakes."""

import asyncio
import re
import shlex
import signal
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cheatwatch.command import run, run_beside, the_command, watching
from project.test_readme import ROOT
from support.kafka_broker import PASSWORD, USER, KafkaBroker
from touchline_cheatwatch.kafka_sources import KafkaEvents, cluster_of
from touchline_cheatwatch.ruleset import FeedOptions
from touchline_kafka.security import Security
from touchline_loadtest.free_ports import free_ports
from touchline_protocol.actions import ActionRecord, action_headers, encode_action
from touchline_protocol.records import headers_for
from touchline_protocol.tracing.traceparent import traceparent_headers
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, decode_verdict

RULES = """
[rules.fast]
class = "touchline_cheatwatch.rules.rate:Rate"
rate_max = 1.0
burst_max = 10
verdict = "mute"
verdict_s = 600
kinds = ["tap"]
[rules.lies]
class = "touchline_cheatwatch.rules.score:Score"
points = { goal = 1.0 }
verdict = "ban"
[rules.shouts]
class = "touchline_cheatwatch.rules.rate:Rate"
rate_max = 1.0
burst_max = 3
kinds = ["shout"]
verdict = "warn"
"""
READ_S = 90.0
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Setting(NamedTuple):
    """A broker with topics of the test's own names, and the options that say so."""

    kafka: KafkaBroker
    name: str
    rules: Path

    @property
    def log(self) -> tuple[str, str]:
        return ("--log", f"kafka://{self.kafka.address}")

    @property
    def actions(self) -> str:
        return f"{self.name}-actions"

    @property
    def verdicts(self) -> str:
        return f"{self.name}-verdicts"

    @property
    def args(self) -> tuple[str, ...]:
        topics = ("--actions-topic", self.actions, "--verdicts-topic", self.verdicts, "--feeds", f"match={self.name}")
        return (*self.log, "--group", self.name, "--rules", str(self.rules), *topics)


@pytest.fixture
async def setting(kafka: KafkaBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Setting:
    name = f"cheat-{request.node.name.removeprefix('test_')[:40]}"
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    made = Setting(kafka, name, rules)
    await kafka.create(made.actions, 3)
    await kafka.create(made.verdicts, 2, {"cleanup.policy": "compact"})
    await kafka.create(name, 2)
    return made


@asynccontextmanager
async def producing(kafka: KafkaBroker) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def act(
    setting: Setting,
    player: str,
    first_id: int,
    *actions: tuple[str, object],
    copies: int = 1,
    traceparent: str | None = None,
) -> None:
    """Append a player's actions, as an edge does."""
    now_ms = round(time.time() * 1000)
    async with producing(setting.kafka) as producer:
        for number, (kind, data) in enumerate(actions):
            raw = msgspec.Raw(msgspec.json.encode(data))
            record = ActionRecord(player, "match:7", kind, raw, "s", first_id + number, now_ms, "edge")
            for _ in range(copies):
                await producer.send_and_wait(
                    setting.actions, encode_action(record), player.encode(), headers=action_headers(record, traceparent)
                )


async def written(
    setting: Setting, count: int | None = None, *, traceparent: str | None = None
) -> list[tuple[str, VerdictRecord]]:
    """All verdicts there are, which must be so many; those of a player are in order."""
    reader = AIOKafkaConsumer(
        setting.verdicts, bootstrap_servers=setting.kafka.address, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    await reader.start()
    try:
        found: list[tuple[str, VerdictRecord]] = []
        traced = traceparent_headers(traceparent)
        ends = await reader.end_offsets(reader.assignment())
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for records in (await reader.getmany(timeout_ms=200)).values():
                assert all(list(record.headers) == [*VERDICT_HEADERS, *traced] for record in records)
                found += [decode_verdict(record.key, record.value) for record in records]
    finally:
        await reader.stop()
    assert count is None or len(found) == count, found
    return found


TAPS = [("tap", None)] * 11


async def test_a_verdict_is_written_once_and_stands_over_restarts(setting: Setting) -> None:
    with watching(*setting.args) as watch:
        await act(setting, "bot", 1, *TAPS, traceparent=TRACEPARENT)
        line = watch.line()
        assert (line["type"], line["player"], line["rule"], line["room"]) == ("finding", "bot", "fast", "match:7")
        ((player, verdict),) = await written(setting, 1, traceparent=TRACEPARENT)
        assert (player, verdict.kind, verdict.rule) == ("bot", "mute", "fast")
        assert line["verdict"] == msgspec.to_builtins(verdict)
        assert verdict.until == (verdict.decided_ms or 0) + 600_000
        await act(setting, "bot", 12, *TAPS)
        assert watch.line()["verdict"] is None
        code, rest, said = watch.stop()
        assert (code, rest, said) == (0, "", "")
    with watching(*setting.args) as watch:  # goes on where the first one stopped, and knows how players stand
        await act(setting, "bot", 23, *TAPS, *[("shout", None)] * 4)
        assert [watch.line()["verdict"] for _ in range(2)] == [None, None]
        await written(setting, 1, traceparent=TRACEPARENT)
        assert watch.stop(signal.SIGINT)[0] == 0


async def test_duplicates_of_an_action_are_judged_once(setting: Setting) -> None:
    with watching(*setting.args) as watch:
        await act(setting, "honest", 1, *TAPS[:10], copies=3)
        await act(setting, "bot", 1, *TAPS)
        assert watch.line()["player"] == "bot"


async def test_an_operators_pardon_lets_a_player_start_clean(setting: Setting) -> None:
    with watching(*setting.args) as watch:
        await act(setting, "bot", 1, *TAPS)
        assert watch.line()["verdict"]["kind"] == "mute"
        done = run("verdict", "bot", "pardon", *setting.log, "--verdicts-topic", setting.verdicts)
        assert (done.returncode, done.stdout, done.stderr) == (0, "bot: pardon\n", "")
        await act(setting, "bot", 12, *TAPS[:5])
        banned = run("verdict", "other", "ban", "--seconds", "60", *setting.log, "--verdicts-topic", setting.verdicts)
        assert banned.stdout.startswith("other: ban until ")
        id_, again = 17, None
        while again is None:  # until the pardon is heard of
            await act(setting, "bot", id_, *TAPS)
            id_, again = id_ + 11, watch.line()["verdict"]
        assert again["kind"] == "mute"
    verdicts = await written(setting, 4)
    assert [verdict.kind for player, verdict in verdicts if player == "bot"] == ["mute", "pardon", "mute"]
    ((_, ban),) = [one for one in verdicts if one[0] == "other"]
    assert (ban.kind, ban.rule, (ban.until or 0) - (ban.decided_ms or 0)) == ("ban", "operator", 60_000)


async def test_the_printed_command_lifts_a_verdict(setting: Setting) -> None:
    players = ["zoe", "o'hara", "-h"]  # two of which a shell or an option parser would take for something else
    for player in players:
        muted = run("verdict", *setting.log, "--verdicts-topic", setting.verdicts, "--", player, "mute")
        assert muted.returncode == 0, muted.stderr
        command, *args = shlex.split(muted.stdout.partition("to lift it: ")[2])
        assert (command, run(*args).returncode) == ("cheatwatch", 0)
    lifted = [player for player, verdict in await written(setting, 6) if verdict.kind == "pardon"]
    assert sorted(lifted) == sorted(players)


async def test_a_score_is_held_against_the_events_of_its_room(setting: Setting) -> None:
    async with producing(setting.kafka) as producer:
        for _ in range(3):
            await producer.send_and_wait(setting.name, b"{}", b"7", headers=headers_for("goal"))
    with watching(*setting.args) as watch:
        await act(setting, "honest", 1, ("score", {"score": 3}))
        await act(setting, "liar", 1, ("score", {"score": 4}))
        line = watch.line()
        assert (line["player"], line["rule"]) == ("liar", "lies")
        assert line["evidence"] == {"score": 4.0, "allowed": 3.0, "baseline": 0.0}
        assert line["verdict"]["kind"] == "ban"


async def test_the_readmes_commands_work_one_after_the_other(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand there, but for the address and the port, and with topics of the test's own."""
    monkeypatch.chdir(ROOT)
    topics = setting.args[-6:]

    def at_the_broker(start: str) -> list[str]:
        args = [arg.replace("localhost:9092", setting.kafka.address) for arg in the_command(start)]
        assert f"kafka://{setting.kafka.address}" in args
        return args

    shown = run_beside(*at_the_broker("cheatwatch watch --log kafka://localhost:9092$"), *topics)
    try:
        first_id = 1
        while not (verdicts := await written(setting)):  # what is done before it is up is not for it
            await act(setting, "player-17", first_id, *[("tap", None)] * 301)
            first_id += 301
    finally:
        shown.terminate()
        table, said = shown.communicate()
    assert (shown.returncode, said) == (0, "")
    for word in ("player-17", "rate", "mute", "findings: rate"):
        assert word in table

    for start, kind in (("cheatwatch verdict player-17 pardon", "pardon"), ("cheatwatch verdict player-17 ban", "ban")):
        done = run(*at_the_broker(start), "--verdicts-topic", setting.verdicts)
        assert (done.returncode, done.stderr) == (0, "")
        verdicts = await written(setting)
        assert verdicts[-1][1].kind == kind
    assert verdicts[-1][1].reason == "Come back tomorrow."

    machine = at_the_broker("cheatwatch watch --log kafka://localhost:9092 --rules")
    machine[machine.index("9464")] = str(free_ports(1)[0])
    assert (machine.pop(0), machine.pop(machine.index("--json"))) == ("watch", "--json")
    with watching(*machine, *topics) as watch:
        await act(setting, "other", 1, *[("tap", None)] * 301)
        while watch.line()["player"] != "other":
            pass  # actions that the first watch did not come to


async def test_it_ends_when_nobody_reads_what_it_prints(setting: Setting) -> None:
    with watching(*setting.args) as watch:
        assert watch.process.stdout is not None
        assert watch.process.stderr is not None
        watch.process.stdout.close()
        await act(setting, "bot", 1, *TAPS)
        assert (await asyncio.to_thread(watch.process.wait), watch.process.stderr.read()) == (0, "")
        watch.process.stdout = None
    await written(setting, 1)


async def test_it_serves_metrics(setting: Setting) -> None:
    (port,) = free_ports(1)
    with watching(*setting.args, "--metrics-port", str(port)) as watch:
        await act(setting, "bot", 1, *TAPS, copies=2)
        watch.line()
        async with producing(setting.kafka) as producer:
            await producer.send_and_wait(setting.verdicts, b"no verdict", b"bot")
        url = f"http://127.0.0.1:{port}/metrics"
        text = ""
        while not {
            'cheatwatch_records_skipped_total{topic="verdicts"} 1.0',
            "cheatwatch_action_duplicates_total 11.0",
        } <= {*text.splitlines()}:
            text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        for line in (
            "cheatwatch_actions_total 11.0",
            "cheatwatch_action_duplicates_total 11.0",
            'cheatwatch_findings_total{rule="fast"} 1.0',
            'cheatwatch_verdicts_total{kind="mute"} 1.0',
            "cheatwatch_action_latency_seconds_count 11.0",
            "cheatwatch_players 0.0",  # muted, so it starts clean
        ):
            assert line in text.splitlines()
        lag = re.compile(r'^cheatwatch_log_lag_records{partition="\d+",topic="([^"]+)"} 0.0$', re.MULTILINE)
        topics = {setting.actions, setting.verdicts}
        age = re.compile(r"^cheatwatch_log_answer_age_seconds\{.*\} (\S+)$", re.MULTILINE)
        assert [float(seconds) for seconds in age.findall(text) if float(seconds) < 60]
        while not set(lag.findall(text)) >= topics:  # until what it judged counts as processed
            text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        taken = run("watch", *setting.args, "--metrics-port", str(port))
        assert (taken.returncode, taken.stderr) == (2, f"cheatwatch: --metrics-port {port}: Address already in use\n")


async def test_topics_that_do_not_exist_are_named(setting: Setting) -> None:
    no_verdicts = run("verdict", "ann", "ban", *setting.log, "--verdicts-topic", "cheat-nowhere")
    assert no_verdicts.returncode == 2
    assert "cheat-nowhere" in no_verdicts.stderr
    assert no_verdicts.stderr.count("\n") == 1
    no_actions = run("watch", *setting.args, "--actions-topic", "cheat-nothing")
    assert no_actions.returncode == 2
    assert "cheat-nothing" in no_actions.stderr
    assert {"cheat-nowhere", "cheat-nothing"}.isdisjoint(await setting.kafka.topics())


async def test_it_reaches_kafka_with_tls_and_a_password(setting: Setting, kafka: KafkaBroker) -> None:
    secure = f'[kafka]\ntls = true\nca_file = "{kafka.ca_file}"\nsasl_mechanism = "SCRAM-SHA-256"\n'
    secure += f'sasl_username = "{USER}"\n'
    setting.rules.write_text(f'{RULES}{secure}sasl_password = "{PASSWORD}"\n')
    args = ["kafka://" + kafka.secure_address if arg.startswith("kafka://") else arg for arg in setting.args]
    with watching(*args) as watch:
        await act(setting, "bot", 1, *TAPS)
        assert watch.line()["verdict"]["kind"] == "mute"
    setting.rules.write_text(f'{RULES}{secure}sasl_password = "wrong"\n')
    refused = run("watch", *args)
    assert refused.returncode == 2
    assert "password" in refused.stderr


async def test_events_are_followed_from_a_time_on_and_in_topics_that_come_later(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("touchline_kafka.follow.follower.LOOK_EVERY_S", 0.1)
    kafka, later = setting.kafka, f"{setting.name}-later"
    now_ms = round(time.time() * 1000)
    async with producing(kafka) as producer:
        await producer.send_and_wait(setting.name, b'{"type":"Shot"}', b"7", timestamp_ms=now_ms - 2_000)
        await producer.send_and_wait(setting.name, b'{"type":{"name":"Pass"}}', b"7", timestamp_ms=now_ms)
        await producer.send_and_wait(setting.name, b"no json", b"7", timestamp_ms=now_ms)
        feeds = {"match": FeedOptions(topic=setting.name), "score": FeedOptions(topic=later, key_field="k")}
        async with KafkaEvents(
            cluster_of(f"kafka://{kafka.address}", Security()), feeds, since_ms=now_ms - 1_000
        ) as events:
            found = [await first_of(events)]
            assert events.skipped == 1
            await kafka.create(later)
            await producer.send_and_wait(later, b'{"k":"clock"}', b"8")
            found.append(await first_of(events))
            async with asyncio.timeout(READ_S):
                began_s = time.monotonic()
                while events.known_s is None or events.known_s < began_s:
                    assert await events.poll() == []
    assert [(one.room, one.event.name, one.event.offset, one.complete) for one in found] == [
        ("match:7", "Pass", 1, False),
        ("score:8", "clock", 0, True),
    ]


async def first_of(events: KafkaEvents) -> Any:
    async with asyncio.timeout(READ_S):
        while not (found := await events.poll()):
            pass
    (one,) = found
    return one
