"""All users of the load test against a real server: they see what matters, and notice what is wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import msgspec
import pytest

from support.locust_process import LocustRun, run_locust
from support.node_fixture import RunningNode, running_node
from support.tampering import Broken, Tamper, tampering_proxy
from touchline_loadtest.checks.actions import ActionEntry, LoggedAction
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.values import value_of
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.locust.plugin.run_folder import begin_run
from touchline_loadtest.runs.history.check import check_folder
from touchline_loadtest.runs.history.log_writer import LogWriter
from touchline_loadtest.runs.reader import RunReader
from touchline_protocol.messages import Ack, Event, ServerMessage, Subscribed, Welcome
from touchline_server.core.log import LogEvent, Records

ACTIONS = "player-actions"
SECRET = "a secret of at least thirty-two bytes"
ROOMS = ("score:1", "score:2", "match:1")
QUICK = ("--stay", "0.5", "--away", "0.1", "--rooms", ",".join(ROOMS), "-r", "100")
KINDS = ("Fan", "Player", "StreamFan", "SlowFan", "Cheater")
EQUALLY_MANY = ("--config-users", *(f'{{"user_class_name": "{kind}", "fixed_count": 2}}' for kind in KINDS))
"""Two of each kind, where their weights would make nearly all of ten users fans and players."""
EVENT_EVERY_S = 0.02


class Witness:
    """Writes everything that the server reads from its log, in the checker's form."""

    def __init__(self) -> None:
        self._events: list[tuple[LogId, str, Entry]] = []
        self._actions: list[LoggedAction] = []

    def note(self, event: LogEvent) -> None:
        """Note the records of one partition."""
        if not isinstance(event, Records):
            return
        for record in event.records:
            key, data = (record.key or b"").decode(), msgspec.json.decode(record.value or b"null")
            if event.topic == ACTIONS:
                value = value_of(data["kind"], data.get("data"))
                entry = ActionEntry(key, data["session"], data["id"], data["kind"], value, data["room"])
                self._actions.append(LoggedAction(entry, record.offset))
            else:
                state = next((value.decode() for name, value in record.headers if name == "key"), None)
                value = value_of(state, data, record.timestamp)
                place = LogId(event.topic, 0, event.partition)
                room = f"{event.topic.removesuffix('-events')}:{key}"
                self._events.append((place, room, Entry(record.offset, value, state, False, record.timestamp)))

    def write(self, folder: Path) -> None:
        """Write the log into a run folder."""
        with LogWriter(folder) as log:
            for event in self._events:
                log.append(*event)
            for action in self._actions:
                log.action(action)


@contextlib.asynccontextmanager
async def live_server(witness: Witness) -> AsyncIterator[RunningNode]:
    """A server in whose rooms something happens all the time: state, and events without a key."""
    auth = {"hs256_secret": SECRET}
    async with running_node(auth=auth, heartbeat_s=5.0, observe=(ACTIONS, witness.note)) as node:

        async def publish(number: int) -> None:
            for room in ROOMS:
                await node.publish(room, {"n": number}, key=("score", "clock", None)[number % 3])

        async def play() -> None:
            for number in count(3):
                await publish(number)
                await asyncio.sleep(EVENT_EVERY_S)

        for number in range(3):
            await publish(number)
        playing = asyncio.create_task(play())
        try:
            yield node
        finally:
            playing.cancel()
            await asyncio.wait([playing])


async def test_every_user_works_against_a_server_and_the_checker_confirms_what_they_saw(tmp_path: Path) -> None:
    witness, folder = Witness(), tmp_path / "run"
    async with live_server(witness) as node:
        server = ("--host", f"ws://127.0.0.1:{node.port}", *QUICK, "--token-secret", SECRET)
        bounds = ("--fail-above", "failures=0", "--fail-above", "event.p99=60000")
        users = ("--acts-per-s", "5", "-u", "10", *EQUALLY_MANY, "-t", "3s", "--run-folder", str(folder))
        run = await run_locust(tmp_path, *server, *users, *bounds)
    assert run.failures == set(), run.output
    assert run.code == 0, run.output
    for row in ("connect", "first state", "event", "event (slow reader)", "event (stream)", "return", "action to ack"):
        assert run.count(row) > 0, run.output
    assert run.count("event") > 100, run.output

    witness.write(folder)
    outcome = check_folder(folder)
    assert outcome.breaches == []
    recorded = RunReader(folder)
    assert [(row.what, row.met) for row in recorded.info.summary] == [("event p99", True), ("failures", True)]
    assert {"deliveries", "event_latency", "connections"} <= {sample.series for sample in recorded.samples()}
    assert SECRET not in (folder / "run.json").read_text()


def nothing(message: ServerMessage) -> list[ServerMessage]:
    return [message]


def on_event(number: int, change: Callable[[Event], list[ServerMessage]]) -> Tamper:
    """Change the event with this number."""
    numbers = count(1)

    def tamper(message: ServerMessage) -> list[ServerMessage]:
        return change(message) if isinstance(message, Event) and next(numbers) == number else [message]

    return tamper


def hidden_swap() -> Tamper:
    """Swap two events, and have ``prev`` say that nothing is missing between them."""
    held: list[Event] = []
    numbers = count(1)

    def tamper(message: ServerMessage) -> list[ServerMessage]:
        if not isinstance(message, Event):
            return [message]
        if next(numbers) == 5:
            held.append(message)
            return []
        return [msgspec.structs.replace(message, prev=held[0].prev), held.pop()] if held else [message]

    return tamper


def stale_state(message: ServerMessage) -> list[ServerMessage]:
    """Move the newest event of each key back by one."""
    if isinstance(message, Subscribed):
        state = [msgspec.structs.replace(event, offset=event.offset - 1) for event in message.state]
        return [msgspec.structs.replace(message, state=state)]
    return [message]


def broken(event: Event) -> list[ServerMessage]:
    raise Broken(1011)


FAULTS: dict[str, Callable[[], Tamper]] = {
    "gap": lambda: on_event(5, lambda event: []),
    "doubled": lambda: on_event(5, lambda event: [event, event]),
    "reordered": hidden_swap,
    "wrong_prev": lambda: on_event(5, lambda event: [msgspec.structs.replace(event, prev=0)]),
    "wrong_state": lambda: stale_state,
    "unexplained_close": lambda: on_event(5, broken),
}
"""How to break each promise that users check by themselves."""


async def tampered(tmp_path: Path, *faults: str) -> LocustRun:
    """Run fans of whom the first sees an honest server, and each further one suffers one of the faults."""

    def tamper_of(number: int) -> Tamper:
        return FAULTS[faults[number - 1]]() if 1 <= number <= len(faults) else nothing

    async with live_server(Witness()) as node, tampering_proxy(node.url, tamper_of) as host:
        users = ("-u", str(len(faults) + 1), "-r", "10", "--rooms", "score:1", "--stay", "30", "-t", "2s")
        return await run_locust(tmp_path, "--host", host, *users, "--token-secret", SECRET, "Fan")


async def test_every_fault_fails_the_run_under_its_name(tmp_path: Path) -> None:
    run = await tampered(tmp_path, *FAULTS)
    assert run.failures >= set(FAULTS), run.output
    assert run.code == 1, run.output


def without(*types: type) -> Tamper:
    """Never say this."""
    return lambda message: [] if isinstance(message, types) else [message]


ABSENCES: dict[str, tuple[type, ...]] = {
    "no_welcome": (Welcome,),
    "never_joined": (Subscribed, Event),
    "stalled": (Event,),
    "no_ack": (Ack,),
}
"""What a server must not keep to itself, by the name under which users report it."""


async def test_what_a_server_never_says_fails_the_run_under_its_name(tmp_path: Path) -> None:
    def tamper_of(number: int) -> Tamper:
        return without(*list(ABSENCES.values())[number - 1]) if 1 <= number <= len(ABSENCES) else nothing

    async with live_server(Witness()) as node, tampering_proxy(node.url, tamper_of) as host:
        users = ("-u", str(len(ABSENCES) + 1), "-r", "10", "--rooms", "score:1", "--stay", "60", "--away", "60")
        limits = ("--answer-s-max", "1", "--acts-per-s", "5", "-t", "5s", "--token-secret", SECRET)
        run = await run_locust(tmp_path, "--host", host, *users, *limits, "Player")
    assert run.failures == set(ABSENCES), run.output
    assert run.code == 1, run.output


@pytest.mark.long
@pytest.mark.parametrize("user", ["Fan", "SlowFan", "Player", "Cheater"])
@pytest.mark.parametrize("absent", [(Welcome, Event), (Subscribed, Event)], ids=["no welcome", "no join"])
async def test_a_test_in_which_nobody_was_let_in_does_not_pass(
    tmp_path: Path, user: str, absent: tuple[type, ...]
) -> None:
    async with live_server(Witness()) as node, tampering_proxy(node.url, lambda _: without(*absent)) as host:
        users = ("-u", "2", "-r", "10", "-t", "2s", "--rooms", "score:1", "--token-secret", SECRET)
        run = await run_locust(tmp_path, "--host", host, *users, user)
    assert run.failures == set(), run.output
    assert run.code == 1, run.output


@pytest.mark.long
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n:beat\n\n"])
async def test_a_stream_without_anything_in_it_does_not_pass(tmp_path: Path, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()  # until the client leaves
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        limits = ("--answer-s-max", "1", "-u", "2", "-t", "5s", "--stay", "60")
        run = await run_locust(tmp_path, "--host", f"ws://127.0.0.1:{port}", *limits, "StreamFan")
    assert "never_joined" in run.failures, run.output
    assert run.code == 1, run.output


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_reported_under_no_other_name(tmp_path: Path, fault: str) -> None:
    run = await tampered(tmp_path, fault)
    assert run.failures == {fault}, run.output
    assert run.rows[fault]["num_failures"] == 1, run.output


@pytest.mark.long
@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("--fail-above", "evnt.p99=50"), "event"),
        (("--rooms", "nonsense"), "nonsense"),
        (("Player",), "--token-secret"),
        (("--cheats", "cliker"), "clicker"),
        (("--run-folder", "ended", "Fan"), "ended"),
        (("--acts-per-s", "0"), "--acts-per-s"),
        (("--stay", "nan"), "--stay"),
    ],
    ids=["threshold", "rooms", "secret", "cheats", "run folder", "rate", "time"],
)
async def test_a_mistake_is_reported_before_the_run(tmp_path: Path, args: tuple[str, ...], named: str) -> None:
    begin_run(tmp_path / "ended", {}, users=False).finish([], [])
    args = tuple(str(tmp_path / "ended") if arg == "ended" else arg for arg in args)
    run = await run_locust(tmp_path, "-t", "60s", *args)
    assert run.code == 2, run.output
    assert named in run.output
    assert "Traceback" not in run.output


@pytest.mark.long
@pytest.mark.parametrize("row", ["event.p99=0", "event_stream.p99=60000"], ids=["too slow", "never measured"])
async def test_a_threshold_that_is_not_met_fails_the_run(tmp_path: Path, row: str) -> None:
    async with live_server(Witness()) as node:
        server = ("--host", f"ws://127.0.0.1:{node.port}", *QUICK, "--token-secret", SECRET)
        run = await run_locust(tmp_path, *server, "-u", "4", "-t", "3s", "--fail-above", row, "Fan")
    assert run.failures == set(), run.output
    assert run.code == 1, run.output


@pytest.mark.long
async def test_workers_of_other_machines_send_what_they_recorded(tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (port,), witness = free_ports(1), Witness()
    listen = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(port))
    reach = ("--master-host", "127.0.0.1", "--master-port", str(port))
    async with live_server(witness) as node:
        server = ("--host", f"ws://127.0.0.1:{node.port}", *QUICK, "--token-secret", SECRET, "-u", "20", "-t", "4s")
        record = ("--run-folder", "run", "--fail-above", "failures=0")
        master = run_locust(tmp_path, "--master", "--expect-workers", "2", *listen, *server, *record, cwd=tmp_path)
        workers = [run_locust(elsewhere, "--worker", *reach, cwd=elsewhere) for _ in range(2)]
        run, *_ = await asyncio.gather(master, *workers)
    assert run.code == 0, run.output
    folder = tmp_path / "run"
    assert len(list((folder / "traces").iterdir())) == 2
    assert list(elsewhere.glob("run/*")) == []
    witness.write(folder)
    outcome = check_folder(folder)
    assert outcome.breaches == []
    assert outcome.counts["clients"] >= 20


QUIZ = """
from touchline_loadtest.locust import users


class Quizzer(users.Player):
    def action(self):
        return "answer", "a"
"""


@pytest.mark.long
@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "not recorded"])
async def test_a_recorded_action_that_cannot_be_numbered_is_refused_and_not_sent(
    tmp_path: Path, is_recorded: bool
) -> None:
    (quiz := tmp_path / "quiz.py").write_text(QUIZ)
    witness = Witness()
    async with live_server(witness) as node:
        server = ("--host", f"ws://127.0.0.1:{node.port}", *QUICK, "--token-secret", SECRET, "--acts-per-s", "10")
        record = ("--run-folder", str(tmp_path / "run")) if is_recorded else ()
        run = await run_locust(tmp_path, *server, *record, "-u", "2", "-t", "2s", locustfile=quiz)
    assert run.failures == ({"action to ack"} if is_recorded else set()), run.output
    assert run.code == is_recorded, run.output
    if is_recorded:
        witness.write(tmp_path / "run")
        assert check_folder(tmp_path / "run").breaches == []
    else:
        assert run.count("action to ack") > 0


@pytest.mark.long
@pytest.mark.parametrize("user", ["Fan", "SlowFan", "StreamFan", "Cheater"])
async def test_a_token_that_the_server_does_not_take_fails_the_run(tmp_path: Path, user: str) -> None:
    wrong = SECRET[::-1]
    async with live_server(Witness()) as node:
        server = ("--host", f"ws://127.0.0.1:{node.port}", *QUICK, "--token-secret", wrong)
        run = await run_locust(tmp_path, *server, "-u", "2", "-t", "2s", user)
    assert run.failures, run.output
    assert run.code == 1, run.output
    assert "Traceback" not in run.output
