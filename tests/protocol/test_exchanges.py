"""What a server answers to every message in every state: the vectors of exchanges, played by our own core."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from support.access import make_access
from support.core_edge import CoreClient, CoreEdge, LogRecord, Request, record
from touchline_protocol.messages import ClientMessage
from touchline_server.core.effects import Effect, FindOffset, LoadRoom
from touchline_server.core.players.grants import Grant, Patterns

FILE = Path(__file__).parents[2] / "protocol" / "vectors" / "exchanges.json"
EXCHANGES: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["exchanges"]

PLAYERS = {"player": {"token": "ada"}, "continued": {"token": "ada", "session": "Zr5aXb1mPqT8sV2k"}}
"""The hello of a connection that acts, by the state."""

EVERYWHERE = Patterns(["*"])
NEVER_MS = 1 << 50


class Stage:
    """An edge and one client, in the state of an exchange. The log of the rooms in ``held`` is read when it says so; it
    has ``events``."""

    def __init__(self, state: str, held: list[str], events: list[dict[str, Any]]) -> None:
        access = make_access(verify=lambda player, _: Grant(player, EVERYWHERE, EVERYWHERE, NEVER_MS))
        is_stored = bool(held) and not events
        self.edge = CoreEdge(stored=is_stored, access=access if state in PLAYERS else None)
        self.records = [log_record(event) for event in events]
        if self.records:
            self.edge.ingest(*self.records)
            self.edge.run()
        self.client = CoreClient(self.edge)
        self.held = set(held)
        self.stops = state == "goaway"
        if state != "new":
            self.client.greet(**PLAYERS.get(state, {}))
        if self.stops:
            self.edge.perform(self.edge.core.drain(60_000, self.edge.now))
        self.client.take()

    def take(self, step: dict[str, Any]) -> None:
        """What the client sends, or what happens at the server."""
        if "log" in step:
            self.held.remove(step["log"])
        elif "client_json" in step:
            self.client.send_bytes(step["client_json"].encode())
        else:
            self.client.send_bytes(msgspec.json.encode(step["client"]))

    def answers(self) -> list[dict[str, Any]]:
        """What the server has sent since the last call, now that it has read the log of the rooms that are not held."""
        self.edge.run()
        for request in list(self.edge.requests):
            self._answer(request)
        self.edge.append()
        self.edge.run()
        return [json.loads(msgspec.json.encode(message)) for message in self.client.take()]

    def _answer(self, request: Request) -> None:
        """Answer for the log, unless it is still to be read."""
        core, now = self.edge.core, self.edge.now
        match request:
            case LoadRoom(number, key) if f"score:{key.room_id}" not in self.held:
                effects: Iterable[Effect[CoreClient]] = core.room_loaded(number, None, now).effects
            case FindOffset(number, _, since_ms) if not self.held:
                effects = core.offset_found(number, self._find(since_ms), now)
            case LoadRoom() | FindOffset():
                return
            case _:
                raise AssertionError(request)
        self.edge.requests.remove(request)
        self.edge.perform(effects)

    def _find(self, since_ms: int) -> int | None:
        """See `Log.find_offset`."""
        first = next(each.offset for each in self.records if each.timestamp >= since_ms)
        return None if first == self.records[0].offset else first

    def close_code(self) -> int | None:
        """The code that the server closed with, at the latest at the end of its drain."""
        if self.stops and self.client.close_code is None:
            self.edge.perform(self.edge.core.close_all(self.edge.now))
        return None if self.client.close_code is None else self.client.close_code.code


def log_record(event: dict[str, Any]) -> LogRecord:
    value = msgspec.json.encode(event["data"])
    room = event["room"].partition(":")[2]
    return record(event["offset"], event.get("key"), value=value, room=room)._replace(timestamp=event["ts"])


def turns(steps: list[dict[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """What the client sends at once, each time with what the server answers to it."""
    sent: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for step in steps:
        if "server" in step:
            answers.append(step["server"])
            continue
        if answers:
            yield sent, answers
            sent, answers = [], []
        sent.append(step)
    yield sent, answers


def matches(message: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a message has the fields of a vector; null stands for a field that is absent."""
    return all(message.get(name) == value for name, value in expected.items())


def assert_answers(messages: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The messages are those that were expected, in any order."""
    assert len(messages) == len(expected), messages
    for each in expected:
        found = next((message for message in messages if matches(message, each)), None)
        assert found is not None, (each, messages)
        messages.remove(found)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["about"][:60])
def test_a_server_answers_as_the_vector_says(exchange: dict[str, Any]) -> None:
    steps = [step for step in exchange["steps"] if "close" not in step]
    stage = Stage(exchange["state"], exchange.get("held", []), exchange.get("events", []))
    for sent, expected in turns(steps):
        for step in sent:
            stage.take(step)
        assert_answers(stage.answers(), expected)
    closes = [step["close"] for step in exchange["steps"] if "close" in step]
    if closes or not stage.stops:
        assert stage.close_code() == (closes[0] if closes else None)


def test_every_message_has_an_exchange_in_every_state() -> None:
    types = {kind.__struct_config__.tag for kind in get_args(ClientMessage)}
    first = {
        (exchange["state"], step["client"]["type"])
        for exchange in EXCHANGES
        for step in exchange["steps"][:1]
        if "client" in step
    }
    sent = {
        (exchange["state"], step["client"]["type"])
        for exchange in EXCHANGES
        for step in exchange["steps"]
        if "client" in step
    }
    assert {("new", type_) for type_ in types} <= first
    assert {(state, type_) for state in ("open", "goaway") for type_ in types} <= sent
