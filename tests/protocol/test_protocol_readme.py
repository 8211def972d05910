"""The specification is right: its tables agree with the code, and its examples are valid messages."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from support.event_source import EventSourceParser
from touchline_protocol import codes, limits
from touchline_protocol.actions import ActionRecord, decode_action, encode_action
from touchline_protocol.codecs import BY_SUBPROTOCOL, JSON
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import (
    Ack,
    Action,
    Beat,
    ClientMessage,
    Event,
    Goaway,
    Hello,
    Limits,
    Message,
    Nack,
    Occupancy,
    RoomRequest,
    ServerMessage,
    Skipped,
    Subscribe,
    Subscribed,
    VerdictKind,
    Welcome,
)
from touchline_protocol.records import REASONS
from touchline_protocol.rooms import FORBIDDEN
from touchline_protocol.server_codecs import DEFLATE_BYTES_MIN, EVENT_STREAM
from touchline_protocol.verdicts import VerdictRecord, decode_verdict, encode_verdict
from touchline_server.edge.requests import event_stream

PROTOCOL = Path(__file__).parents[2] / "protocol"
TEXT = (PROTOCOL / "README.md").read_text("utf-8")
KINDS = {kind.__struct_config__.tag: kind for kind in (*get_args(ClientMessage), *get_args(ServerMessage))}


def section(title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    match = re.search(rf"^#+ {re.escape(title)}$\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, f"there is no section {title}"
    return match[1]


def tables(markdown: str) -> list[list[list[str]]]:
    """The rows of each table, without its header."""
    found = re.findall(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)*)", markdown, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()] for table in found]


def blocks(language: str) -> list[list[str]]:
    """The lines of each fenced block in a language."""
    return [block.splitlines() for block in re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]


def test_the_errors_are_those_of_the_code() -> None:
    [table] = tables(section("Errors"))
    assert table == [[f"`{error.code}`", error.recovery.value, error.meaning] for error in codes.ERRORS.values()]


def test_the_nacks_are_those_of_the_code() -> None:
    [table] = tables(section("Nacks"))
    assert table == [[f"`{nack.code}`", nack.recovery.value, nack.meaning] for nack in codes.NACKS.values()]


def test_what_to_do_after_a_nack_is_said_for_every_recovery() -> None:
    rows = [row[0] for row in tables(section("Acting"))[0]]
    said = {recovery for recovery in codes.Recovery if f"`nack`, {recovery.value}" in rows}
    assert said == {nack.recovery for nack in codes.NACKS.values()}


def test_every_kind_of_verdict_is_described() -> None:
    [table] = tables(section("Verdicts"))
    assert [row[0].strip("`") for row in table] == list(get_args(VerdictKind))


def test_the_closes_are_those_of_the_code() -> None:
    [table] = tables(section("Closes"))
    assert table == [
        [str(close.code), f"`{close.name}`", close.recovery.value, close.meaning] for close in codes.CLOSES.values()
    ]


def test_what_to_do_after_a_code_is_said_for_every_recovery() -> None:
    assert re.findall(r"^- `(\w+)`:", section("Codes"), re.MULTILINE) == [recovery.value for recovery in codes.Recovery]


def test_the_limits_are_those_of_the_code() -> None:
    [table] = tables(section("Limits"))
    ours = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert {row[0].strip("`"): int(row[1]) for row in table} == ours


def test_the_code_points_that_names_must_not_contain_are_those_of_the_code() -> None:
    [table] = tables(section("Names and cursors"))
    written = [" to ".join(f"U+{point:04X}" for point in dict.fromkeys(row[:2])) for row in FORBIDDEN]
    assert table == [[name, row.reason] for name, row in zip(written, FORBIDDEN, strict=True)]


def test_the_reasons_for_bad_records_are_those_of_the_code() -> None:
    table = tables(section("Kafka records"))[-1]
    assert {row[0].strip("`"): row[1] for row in table} == REASONS


@pytest.mark.parametrize(("title", "kind"), [("Player actions", ActionRecord), ("Cheat verdicts", VerdictRecord)])
def test_the_fields_of_a_record_are_those_of_its_struct(title: str, kind: Any) -> None:
    assert fields_in(tables(section(title))[0]) == fields_of(kind)


def test_the_example_of_a_record_is_written_as_we_write_it() -> None:
    [[action], [verdict]] = [block.encode().splitlines() for block in map("\n".join, blocks("record"))]
    assert encode_action(decode_action(action)) == action
    assert encode_verdict(decode_verdict(b"ada", verdict)[1]) == verdict


def test_the_subprotocols_are_those_of_the_code() -> None:
    [subprotocols, _] = tables(section("The connection"))
    assert [row[0].split("`")[1] for row in subprotocols] == list(BY_SUBPROTOCOL)


def fields_of(kind: Any) -> dict[str, bool]:
    """The names of a struct's fields on the wire, and whether each is required."""
    return {field.encode_name: field.required for field in msgspec.structs.fields(kind)}


def fields_in(table: list[list[str]]) -> dict[str, bool]:
    """The same by a table, where a question mark follows the name of an optional field."""
    return {row[0].strip("`?"): "?" not in row[0] for row in table}


@pytest.mark.parametrize("tag", KINDS)
def test_the_fields_of_a_message_are_those_of_its_struct(tag: str) -> None:
    found = tables(section(f"`{tag}`"))
    expected = fields_of(KINDS[tag])
    assert fields_in(found[0] if found else []) == expected


@pytest.mark.parametrize(("tag", "kind"), [("subscribe", RoomRequest), ("welcome", Limits)])
def test_the_fields_of_what_a_message_holds_are_those_of_its_struct(tag: str, kind: Any) -> None:
    assert fields_in(tables(section(f"`{tag}`"))[1]) == fields_of(kind)


@pytest.mark.parametrize("tag", KINDS)
def test_the_examples_of_a_message_are_written_as_we_write_them(tag: str) -> None:
    lines = re.findall(r"^\{.*\}$", section(f"`{tag}`"), re.MULTILINE)
    assert lines
    for line in lines:
        message: Message = (
            JSON.decode_client(line.encode())
            if KINDS[tag] in get_args(ClientMessage)
            else JSON.decode_server(line.encode())
        )
        assert isinstance(message, KINDS[tag])
        assert JSON.encode(message).decode() == line


def test_every_example_belongs_to_the_section_of_a_message() -> None:
    in_sections = [line for tag in KINDS for line in re.findall(r"^\{.*\}$", section(f"`{tag}`"), re.MULTILINE)]
    assert [line for block in blocks("json") for line in block] == in_sections


def test_the_parameters_of_a_stream_are_those_of_the_code() -> None:
    parameters = tables(section("Server-sent events"))[0]
    assert fields_in(parameters) == dict.fromkeys(event_stream._PARAMETERS, False)


def test_the_example_of_a_stream_is_written_as_we_write_it() -> None:
    [lines] = blocks("stream")
    text = "\n".join(lines)
    parser = EventSourceParser()
    read = [(block, JSON.decode_server(block.data.encode())) for block in parser.feed(text.encode() + b"\n")]
    assert [type(message) for _, message in read] == [Subscribed, Event, Occupancy, Goaway]
    for block, message in read:
        epoch = Cursor.parse(block.last_event_id).epoch
        assert EVENT_STREAM.frame(message, epoch).decode().strip("\n") in text
    assert EVENT_STREAM.frame(Beat()).decode() in text
    assert parser.comments[-1] == f" close {codes.GOING_AWAY.code} {codes.GOING_AWAY.name}"


def test_what_a_stream_carries_is_what_the_table_says() -> None:
    rows = tables(section("Server-sent events"))[1]
    named = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in rows))) & set(KINDS)
    assert named == {kind.__struct_config__.tag for kind in get_args(ServerMessage)} - {
        *("welcome", "unsubscribed", "refreshed", "ack", "nack")
    }


def test_the_refusals_of_a_stream_name_codes_that_exist() -> None:
    rows = tables(section("Server-sent events"))[2]
    of_http_alone = {"`origin_refused`", "`host_refused`", "`method_not_allowed`"}
    assert {row[1].split()[0] for row in rows} - of_http_alone <= {f"`{code}`" for code in codes.ERRORS}
    assert {row[0] for row in rows} == {"400", "401", "403", "404", "405", "429", "503"}


def test_from_how_many_bytes_on_messages_are_compressed_is_said() -> None:
    assert f"less than {DEFLATE_BYTES_MIN} bytes" in section("Compression")


class Follower:
    """A client that follows one room by the rules of the section "Following a room", and does nothing else."""

    def __init__(self) -> None:
        self.epoch = ""
        self.cursor = self.covered = -1
        self.state: dict[str, Any] = {}

    def take(self, message: ServerMessage) -> None:
        """Go by the table."""
        match message:
            case Subscribed(recovered=False):
                self.state = {event.key: event.data for event in message.state if event.key is not None}
                self.epoch = message.epoch
                self.cursor = self.covered = message.head
            case Subscribed():
                self.covered = self.cursor
            case Skipped():
                self.covered = max(self.covered, message.to)
            case Event() if message.offset > self.cursor:
                assert message.prev is None or message.prev <= self.covered, "a gap"
                self.cursor = message.offset
                self.covered = max(self.covered, message.offset)
                self._keep(message)

    def _keep(self, event: Event) -> None:
        if event.key is not None and event.data is None:
            self.state.pop(event.key, None)
        elif event.key is not None:
            self.state[event.key] = event.data


def test_the_session_by_hand_goes_by_the_rules() -> None:
    """There is no gap, and whenever the client resumes, its cursor is the one that the rules lead to."""
    room = Follower()
    resumed = 0
    for line in [line for block in blocks("session") for line in block]:
        direction, payload = line[:2], line[2:].encode()
        if direction == "> ":
            sent = JSON.decode_client(payload)
            assert JSON.encode(sent) == payload
            if isinstance(sent, Subscribe) and sent.rooms[0].after is not None:
                assert (sent.rooms[0].epoch, sent.rooms[0].after) == (room.epoch, room.cursor)
                resumed += 1
        else:
            assert direction == "< "
            received = JSON.decode_server(payload)
            assert JSON.encode(received) == payload
            room.take(received)
    assert resumed == 1
    assert (room.epoch, room.cursor, room.state) == ("Lq9-0-0", 0, {"score": {"home": 0, "away": 0}})


@pytest.mark.parametrize("number", range(len(blocks("change"))))
def test_a_client_that_goes_by_the_rules_gets_through_every_change_of_the_log(number: int) -> None:
    room = Follower()
    room.epoch, room.cursor, room.covered = "Kx3-0-4", 1051, 1051
    room.state = {"score": {"home": 2, "away": 0}}
    for line in blocks("change")[number]:
        payload = line[2:].encode()
        if line.startswith("> "):
            sent = JSON.decode_client(payload)
            assert JSON.encode(sent) == payload
            assert isinstance(sent, Subscribe)
            (request,) = sent.rooms
            assert request.after is None or (request.epoch, request.after) == (room.epoch, room.cursor)
        else:
            received = JSON.decode_server(payload)
            assert JSON.encode(received) == payload
            room.take(received)


class Player:
    """A client that acts by the rules of the section "Acting", and does nothing else."""

    def __init__(self) -> None:
        self.session: str | None = None
        self.next_id = 1
        self.unanswered: dict[int, Action] = {}
        self.refused: set[int] = set()
        self.to_send_again: list[int] = []

    def send(self, message: Hello | Action) -> None:
        """Make sure that the rules allow sending ``message`` now."""
        if isinstance(message, Hello):
            assert message.session == self.session
            self.to_send_again = sorted(self.unanswered)
        elif self.to_send_again:
            assert message.id == self.to_send_again.pop(0)
            assert message == msgspec.structs.replace(self.unanswered[message.id], prev=self._prev(message.id))
        else:
            assert (message.id, message.prev) == (self.next_id, self._prev(message.id))
            self.unanswered[message.id] = message
            self.next_id += 1

    def take(self, message: ServerMessage) -> None:
        """Go by the table."""
        match message:
            case Welcome():
                assert self.session in (None, message.session)
                self.session = message.session
            case Ack():
                del self.unanswered[message.id]
            case Nack() if codes.NACKS[message.code].recovery is codes.Recovery.GIVE_UP:
                del self.unanswered[message.id]
                self.refused.add(message.id)
            case Nack():
                assert message.retry_ms is not None
                self.to_send_again = sorted(self.unanswered)

    def _prev(self, action_id: int) -> int | None:
        newest = max(set(range(action_id)) - self.refused)
        return None if newest == action_id - 1 else newest


def test_acting_by_hand_goes_by_the_rules() -> None:
    """Ids have no gaps, and unanswered actions are sent again in order, with what the client knows by then."""
    player = Player()
    for line in section("Acting by hand").splitlines():
        if line.startswith("> "):
            sent = JSON.decode_client(line[2:].encode())
            assert isinstance(sent, Hello | Action)
            player.send(sent)
        elif line.startswith("< "):
            player.take(JSON.decode_server(line[2:].encode()))
    assert (player.next_id, player.unanswered, player.refused) == (6, {}, {3, 5})


def test_the_files_of_vectors_are_those_described() -> None:
    described = {row[0].strip("`") for row in tables(section("Test vectors"))[0]}
    files = {path.name for path in (PROTOCOL / "vectors").iterdir()}
    plain = {"message-<type>.json" if name.startswith("message-") else name for name in files}
    assert plain == described


def test_links_have_targets() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if not target.startswith("https://"):
            assert target[1:] in headings if target.startswith("#") else (PROTOCOL / target).exists(), target
