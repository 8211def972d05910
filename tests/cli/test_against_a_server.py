"""The commands against a running server, each in its own process, as a user runs them in two terminals."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.processes import COMMAND, Server, complaints, line_of, run, running, serving, stop
from touchline_protocol.version import __version__
from touchline_server.cli.exit_codes import NOT_FOUND
from touchline_server.cli.topics.report import MISSING


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests. Each publishes to rooms of its own."""
    with serving("--edge-name", "test-edge") as running_server:
        yield running_server


def publish(server: Server, room: str, data: str, key: str | None = None) -> None:
    """Publish without starting a process: most tests are about something else."""
    key_field = "" if key is None else f', "key": {json.dumps(key)}'
    response = httpx.post(
        f"{server.control_url}/v1/rooms/{room}/events",
        content=f'{{"data": {data}{key_field}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    response.raise_for_status()


def tail(server: Server, *args: str, lines: int) -> list[dict[str, Any]]:
    """The first lines that a tail prints."""
    with running("tail", *args, "--url", server.websocket_url) as process:
        return [json.loads(line_of(process.stdout, process)) for _ in range(lines)]


def head(server: Server, room: str) -> int:
    """The offset of a room's newest event; -1 if there is none."""
    response = httpx.get(f"{server.control_url}/v1/rooms/{room}")
    return int(response.json()["head"]) if response.status_code == 200 else -1


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until ``condition`` holds. The deadline is pytest's timeout."""
    while not condition():
        time.sleep(0.02)


def room_state(server: Server, room: str) -> dict[str, Any]:
    response = httpx.get(f"{server.control_url}/v1/rooms/{room}")
    response.raise_for_status()
    known: dict[str, Any] = response.json()
    return known


def test_the_banner_shows_name_access_and_addresses(server: Server) -> None:
    lines = server.banner.splitlines()
    assert {__version__, "test-edge"} <= set(lines[0].replace(",", "").split())
    shown = {line.split()[0]: line for line in lines[1:]}
    assert list(shown) == ["log", "watching", "acting", "publishing", "stopping", "WebSocket", "control"]
    assert "sqlite://" in shown["log"]
    assert "auth.mode open" in shown["watching"]
    assert "nobody" in shown["acting"]
    assert "without a key" in shown["publishing"]
    assert "drain_s auto" in shown["stopping"]
    assert httpx.get(f"{server.control_url}/readyz").json()["ready"] is True


def test_the_banner_names_the_embedded_log_if_none_was_given(tmp_path: Path) -> None:
    with running(
        "serve", "--port", "0", "--control-port", "0", env={"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    ) as process:
        lines = [line_of(process.stdout, process) for _ in range(3)]
        assert f"sqlite://{tmp_path}" in lines[1]
        assert "--log kafka://" in lines[2]


def test_settings_that_do_not_work_together_are_named_at_the_start() -> None:
    with serving(env={"TOUCHLINE_HEARTBEAT_S": "120", "TOUCHLINE_ACTIONS__WAITING_MAX": "1"}) as running_server:
        code, _, err = stop(running_server.process)
    assert code == 0
    assert [option for option in ("heartbeat_s", "actions.waiting_max", "actions.window") if option not in err] == []


def test_published_events_are_tailed(server: Server) -> None:
    placed = []
    for data in ('{"pass": 1}', '"zwö"'):
        done = run("publish", "match:tailed", data, "--url", server.control_url)
        assert (done.returncode, complaints(done.stderr)) == (0, "")
        placed.append(json.loads(done.stdout))
    assert [(place["room"], place["partition"]) for place in placed] == [("match:tailed", 0)] * 2
    lines = tail(server, "match:tailed", "--last", "2", lines=2)
    assert [line["data"] for line in lines] == [{"pass": 1}, "zwö"]
    assert [line["offset"] for line in lines] == [place["offset"] for place in placed]
    assert "state" not in lines[0]


def test_nothing_in_an_event_can_change_the_terminal(server: Server) -> None:
    data = {"\x9b2J\u202e": "\x1b]0;title\x07\x7f\x85\u2028\u200b\ufeff\U000e0041 \N{WOMAN}\u200d\N{ROCKET} é"}
    run("publish", "match:hostile", json.dumps(data, ensure_ascii=False), "--url", server.control_url)
    with running("tail", "match:hostile", "--last", "1", "--url", server.websocket_url) as process:
        line = line_of(process.stdout, process)
    assert json.loads(line)["data"] == data
    assert [one for one in line.rstrip("\n") if not one.isprintable()] == ["\u200d"]  # joiners are part of emoji


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_tail_begins_with_the_state(server: Server, codec: str) -> None:
    room = f"score:state-{codec}"
    publish(server, room, '{"home": 1}', "score")
    publish(server, room, "5", "clock")
    publish(server, room, "null", "clock")
    [line] = tail(server, room, "--codec", codec, lines=1)
    assert (line["room"], line["key"], line["data"], line["state"]) == (room, "score", {"home": 1}, True)


def test_a_tail_presents_its_token_if_the_edge_needs_one() -> None:
    auth = {"TOUCHLINE_AUTH__MODE": "token", "TOUCHLINE_AUTH__HS256_SECRET": "s" * 32}
    token = run("token", "ada", env=auth).stdout.strip()
    forged = token.rpartition(".")[0] + "." + "A" * 43
    with serving(env=auth) as gated:
        assert gated.banner.count("with a token") == 2
        publish(gated, "score:gated", "1", "score")
        url = ("--url", gated.websocket_url)
        [line] = tail(gated, "score:gated", "--token", token, lines=1)
        assert line["data"] == 1
        with running("tail", "score:gated", *url, env={"TOUCHLINE_TOKEN": token}) as process:
            assert json.loads(line_of(process.stdout, process))["data"] == 1
        for args, why in ((), "token_missing"), (("--token", forged), "token_signature"):
            refused = run("tail", "score:gated", *url, *args)
            assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
            assert why in refused.stderr
            assert "--token or TOUCHLINE_TOKEN" in refused.stderr
    too_long = run("tail", "score:gated", *url, "--token", "x" * 9000)
    assert (too_long.returncode, too_long.stderr.count("\n")) == (2, 1)
    assert "9000 characters" in too_long.stderr


def test_a_tail_continues_after_a_cursor(server: Server) -> None:
    for number in range(3):
        publish(server, "match:resumed", str(number))
    first = tail(server, "match:resumed", "--last", "3", lines=1)[0]
    lines = tail(server, "match:resumed", "--after", first["cursor"], lines=2)
    assert [line["data"] for line in lines] == [1, 2]


def test_a_tail_without_the_state_prints_only_events(server: Server) -> None:
    publish(server, "score:quiet", "1", "score")
    with running("tail", "score:quiet", "--no-state", "--last", "1", "--url", server.websocket_url) as process:
        assert "state" not in json.loads(line_of(process.stdout, process))
        publish(server, "score:quiet", "2", "score")
        assert json.loads(line_of(process.stdout, process))["data"] == 2


def test_a_log_file_is_tailed_without_a_server(tmp_path: Path) -> None:
    log = ("--log", f"sqlite://{tmp_path / 'log.db'}")
    for number in ("1", "2", "3"):
        assert run("publish", "score:1", number, "--key", "score", *log).returncode == 0
    with running("tail", "score:1", *log) as process:
        state = json.loads(line_of(process.stdout, process))
        assert (state["data"], state["state"]) == (3, True)
        code, _, err = stop(process, signal.SIGINT)
        assert (code, complaints(err)) == (130, "")
    with running("tail", "score:1", "--last", "2", *log) as process:
        newest = [json.loads(line_of(process.stdout, process)) for _ in range(2)]
        assert [line["data"] for line in newest] == [2, 3]
    with running("tail", "score:1", "--after", newest[0]["cursor"], *log) as process:
        assert json.loads(line_of(process.stdout, process)) == newest[1]


@pytest.mark.parametrize("options", [("--no-state",), ("--last", "3")], ids=["no-state", "last"])
def test_a_room_that_stays_quiet_is_noted_as_joined(server: Server, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A mistyped room is a room without events: nobody can tell, so the command says what it waits for."""
    log = f"sqlite://{tmp_path / 'log.db'}"
    assert run("topics", "--create", "--log", log).returncode == 0
    for source in (("--url", server.websocket_url), ("--log", log)):
        with running("tail", "score:nobody-publishes", *options, *source) as process:
            noted = line_of(process.stderr, process)
            assert noted.startswith("note: ")
            assert "score:nobody-publishes" in noted
            assert options[0] in noted  # which of them to leave out
            assert stop(process, signal.SIGINT) == (130, "", "")


@pytest.mark.parametrize("command", ["publish score:1 1 --url http", "tail score:1 --url ws"])
def test_a_command_says_whom_it_waits_for(command: str) -> None:
    """A server that accepts connections and does not answer, as one behind a broken proxy."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with running(*f"{command}://name:secret@{address}".split()) as process:
            noted = line_of(process.stderr, process)
    assert address in noted
    assert "secret" not in noted


def test_a_start_over_is_noted_once(server: Server, tmp_path: Path) -> None:
    log = f"sqlite://{tmp_path / 'log.db'}"
    assert run("publish", "score:1", "1", "--key", "score", "--log", log).returncode == 0
    publish(server, "score:over", "1", "score")
    for room, source in (("score:over", ("--url", server.websocket_url)), ("score:1", ("--log", log))):
        with running("tail", room, "--after", "another-0.5", *source) as process:
            assert json.loads(line_of(process.stdout, process))["state"] is True
            _, _, err = stop(process, signal.SIGINT)
        assert err.startswith(f"note: {room}: ")
        assert err.count("\n") == 1


def test_a_lost_edge_is_noted_with_its_address_and_so_is_its_return() -> None:
    with (
        serving(env={"TOUCHLINE_DRAIN_S": "0"}) as lost,
        running("tail", "score:1", "--url", lost.websocket_url) as process,
    ):
        publish(lost, "score:1", "1", "score")
        line_of(process.stdout, process)
        stop(lost.process)
        notes = [line_of(process.stderr, process) for _ in range(2)]
        assert [note.count(lost.websocket_url) for note in notes] == [1, 1]
        port = lost.websocket_url.rpartition(":")[2].removesuffix("/ws")
        with running("serve", "--log", "sqlite://", "--port", port, "--control-port", "0"):
            while "again in" in (back := line_of(process.stderr, process)):
                pass
            assert back == f"note: {lost.websocket_url}: connected again\n"


def test_a_tail_succeeds_when_its_reader_closes_the_pipe(server: Server) -> None:
    publish(server, "match:piped", "0")
    with running("tail", "match:piped", "--last", "1", "--url", server.websocket_url) as process:
        line_of(process.stdout, process)
        assert process.stdout is not None
        process.stdout.close()  # as head does after its last line
        publish(server, "match:piped", "1")
        assert process.wait(timeout=90) == 0
        assert process.stderr is not None
        assert complaints(process.stderr.read()) == ""


def test_an_interrupted_tail_ends_without_a_traceback(server: Server) -> None:
    publish(server, "match:interrupted", "0")
    with running("tail", "match:interrupted", "--last", "1", "--url", server.websocket_url) as process:
        line_of(process.stdout, process)
        code, _, err = stop(process, signal.SIGINT)
    assert (code, complaints(err)) == (130, "")


def test_publishing_needs_the_servers_key() -> None:
    with serving(env={"TOUCHLINE_API_KEYS": "right"}) as keyed:
        publish_to = ("publish", "match:1", "1", "--url", keyed.control_url)
        assert "\npublishing with one of api_keys\n" in keyed.banner
        assert (run(*publish_to).returncode, run(*publish_to, "--api-key", "wrong").returncode) == (2, 2)
        assert run(*publish_to, env={"TOUCHLINE_API_KEY": "right"}).returncode == 0


def test_the_servers_configuration_file_says_where_it_is_and_has_its_key(tmp_path: Path) -> None:
    with serving(env={"TOUCHLINE_API_KEYS": "right"}) as keyed:
        port, control_port = (httpx.URL(url).port for url in (keyed.websocket_url, keyed.control_url))
        config = tmp_path / "touchline.toml"
        config.write_text(f'port = {port}\ncontrol_port = {control_port}\napi_keys = ["right"]\n')
        assert run("publish", "match:1", "1", "--config", str(config)).returncode == 0
        with running("tail", "match:1", "--last", "1", env={"TOUCHLINE_CONFIG": str(config)}) as process:
            assert json.loads(line_of(process.stdout, process))["data"] == 1


def test_a_tail_of_members_without_a_token_says_that_it_takes_one(server: Server) -> None:
    done = run("tail", "match:1", "--members", "--url", server.websocket_url)
    assert done.returncode == 2
    assert "--token" in done.stderr
    assert "--members" in done.stderr


def test_a_replayed_match_is_all_there_in_order(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "match.json"
    file.write_text(json.dumps(recorded_match()))
    done = run("replay", str(file), "--room", "match:replayed", "--speed", "1000", "--url", server.control_url)
    assert done.returncode == 0, done.stderr
    assert "Data provided by StatsBomb" in done.stderr
    lines = tail(server, "match:replayed", "--last", "1000", lines=len(recorded_match()))
    assert [line["data"] for line in lines] == recorded_match()
    state = {event["key"]: event["data"] for event in room_state(server, "score:replayed")["state"]}
    assert (state["score"]["home"]["goals"], state["score"]["away"]["goals"]) == (0, 1)


def test_a_replay_needs_no_file_and_names_its_rooms(server: Server) -> None:
    done = run("replay", "--sample", "--speed", "100000", "--url", server.control_url)
    assert done.returncode == 0
    assert done.stdout == ""
    assert [word for word in ("match:1001", "score:1001", server.control_url) if word not in done.stderr] == []
    state = {event["key"]: event["data"] for event in room_state(server, "score:1001")["state"]}
    assert state["period"]["playing"] is False
    assert sum(state["score"][side]["goals"] for side in ("home", "away")) > 0


def test_a_replay_goes_straight_into_a_log_too(tmp_path: Path) -> None:
    log = f"sqlite://{tmp_path / 'log.db'}"
    file = tmp_path / "match-12.json"
    file.write_text(json.dumps(recorded_match()))
    done = run("replay", str(file), "--speed", "1000", "--log", log)
    assert done.returncode == 0, done.stderr
    with serving("--log", log) as running_server:
        lines = tail(running_server, "match:12", "--last", "1000", lines=len(recorded_match()))
    assert [line["data"] for line in lines] == recorded_match()


def test_a_whole_match_at_high_speed_is_tailed_live_in_order(server: Server, tmp_path: Path) -> None:
    """4,000 events of 600 bytes within a second: ten times what a match replayed at --speed 600 needs."""
    match = recorded_match(passes=4000, filler="x" * 450)
    file = tmp_path / "match-90.json"
    file.write_text(json.dumps(match))
    publish(server, "match:90", '"kick-off"')
    with running("tail", "match:90", "--last", "1", "--url", server.websocket_url) as process:
        assert json.loads(line_of(process.stdout, process))["data"] == "kick-off"
        with running("replay", str(file), "--speed", "6000", "--url", server.control_url) as replay:
            lines = [json.loads(line_of(process.stdout, process)) for _ in match]
            assert replay.wait(timeout=90) == 0
    assert [line["data"] for line in lines] == match


def test_a_replay_waits_for_a_server_that_is_restarted(tmp_path: Path) -> None:
    log = f"sqlite://{tmp_path / 'log.db'}"
    match = recorded_match(passes=300)
    file = tmp_path / "match-5.json"
    file.write_text(json.dumps(match))
    with serving("--log", log) as first:
        port = str(httpx.URL(first.control_url).port)
        with running("replay", str(file), "--speed", "100", "--url", first.control_url) as replay:
            wait_until(lambda: head(first, "match:5") > 20)
            stop(first.process)
            with serving("--log", log, "--control-port", port) as second:
                assert replay.wait(timeout=90) == 0
                lines = tail(second, "match:5", "--last", "1000", lines=len(match))
    assert [line["data"] for line in lines] == match


def test_a_simulated_match_is_published_until_the_duration_ends(server: Server) -> None:
    done = run("simulate", "--matches", "1", "--rate", "40", "--duration", "1", "--url", server.control_url)
    assert (done.returncode, "match:1001 and score:1001" in done.stderr) == (0, True)
    assert {event["key"] for event in room_state(server, "score:1001")["state"]} >= {"score", "period"}
    assert head(server, "match:1001") >= 20, "it is played from the start"


def test_an_embedded_log_is_created_only_on_request_and_then_has_its_topics(tmp_path: Path) -> None:
    log = ("--log", f"sqlite://{tmp_path / 'log.db'}")
    refused = run("topics", *log)
    assert refused.returncode != 0
    assert str(tmp_path / "log.db") in refused.stderr
    assert list(tmp_path.iterdir()) == []
    names = ["match-events", "score-events", "player-actions", "cheat-verdicts"]
    for args in (("--create",), ()):
        listed = run("topics", *args, *log)
        lines = [f"{name}: exists, 1 partition" for name in names]
        assert (listed.returncode, listed.stdout.splitlines()) == (0, lines)
    with_presence = run("topics", "--create", *log, env={"TOUCHLINE_PRESENCE__RECORDS": "true"})
    assert with_presence.stdout.splitlines()[len(names) :] == ["touchline-presence: exists, 1 partition"]
    with_another = run("topics", *log, env={"TOUCHLINE_ACTIONS__TOPIC": "other-actions"})
    assert with_another.returncode == NOT_FOUND
    assert f"other-actions: {MISSING}" in with_another.stdout.splitlines()
    assert with_another.stdout.count("[topic_missing]") == 1


def test_a_damaged_log_is_not_served_and_what_was_salvaged_is(tmp_path: Path) -> None:
    damaged, saved = tmp_path / "log.db", tmp_path / "saved.db"
    assert run("publish", "score:1", "1", "--key", "score", "--log", f"sqlite://{damaged}").returncode == 0
    os.truncate(damaged, damaged.stat().st_size - 4096)
    refused = run("serve", "--log", f"sqlite://{damaged}", "--port", "0", "--control-port", "0")
    assert refused.returncode != 0
    assert str(damaged) in refused.stderr
    assert "touchline salvage" in refused.stderr
    done = run("salvage", str(damaged), str(saved))
    assert done.returncode == 0
    assert "score-events: 1 record saved, 0 lost" in done.stdout.splitlines()
    with serving("--log", f"sqlite://{saved}") as server:
        assert [event["data"] for event in room_state(server, "score:1")["state"]] == [1]
    again = run("salvage", str(damaged), str(saved))
    assert again.returncode != 0
    assert str(saved) in again.stderr


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "topics", "--log", "sqlite://"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr


def test_a_pipe_from_tail_to_head_ends_by_itself(server: Server) -> None:
    with running("simulate", "--matches", "1", "--rate", "50", "--seed", "9", "--url", server.control_url):
        command = " ".join([*COMMAND, "tail", "match:1001", "--url", server.websocket_url]) + " | head -n 2"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def recorded_match(passes: int = 100, filler: str = "") -> list[dict[str, Any]]:
    """A short match in StatsBomb's format: line-ups, passes, and a goal of the second team."""

    def event(second: int, kind: str, team: str, **more: Any) -> dict[str, Any]:
        minute, rest = divmod(second, 60)
        return {
            "id": f"{kind}-{team}-{second}",
            "period": 1,
            "timestamp": f"{minute // 60:02}:{minute % 60:02}:{rest:02}.000",
            "minute": minute,
            "second": rest,
            "type": {"name": kind},
            "team": {"name": team},
            **more,
        }

    played = [event(1 + number, "Pass", "Home", length=1.50, filler=filler) for number in range(passes)]
    goal = event(passes + 1, "Shot", "Away", shot={"outcome": {"name": "Goal"}}, player={"name": "Striker Müller"})
    ends = [event(passes + 9, "Half End", team) for team in ("Home", "Away")]
    return [event(0, "Starting XI", "Home"), event(0, "Starting XI", "Away"), *played, goal, *ends]
