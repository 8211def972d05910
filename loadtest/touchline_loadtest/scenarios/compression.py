"""Compression: by how much it shrinks the events of a match, and the CPU time of a frame, made once for all clients.

It runs no server and no client, but the codecs that a server uses. The events are those of the match files in the
folder that ``TOUCHLINE_MATCH_DATA`` names (``match-*.events.json`` in StatsBomb's format), else generated ones of that
kind.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import Result, Row
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Event
from touchline_protocol.server_codecs import DEFLATED

NAME = "compression"
GENERATED_EVENTS = 2_000


class Sizes(msgspec.Struct, frozen=True):
    """The fastest of several runs over all events counts, because other programs can only add time."""

    runs: int = 5


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    values, source = _values()
    rows = []
    for plain, compressed in DEFLATED.items():
        bench.say(f"{NAME}: {plain.name}")
        events = [_event(number, value, plain) for number, value in enumerate(values)]
        plain_s, plain_bytes = _frame_all(plain, events, sizes.runs)
        compressed_s, compressed_bytes = _frame_all(compressed, events, sizes.runs)
        rows += [
            Row(f"{plain.name}: bytes of an event", plain_bytes / len(events), "bytes"),
            Row(f"{plain.name}: bytes when compressed", compressed_bytes / len(events), "bytes"),
            Row(f"{plain.name}: compressed / plain", compressed_bytes / plain_bytes, "x"),
            Row(f"{plain.name}: additional CPU per event", (compressed_s - plain_s) / len(events) * 1e6, "us"),
        ]
    return Result(NAME, rows, msgspec.to_builtins(sizes), [f"{len(values):,} events: {source}"])


def _frame_all(codec: Codec, events: Sequence[Event], runs: int) -> tuple[float, int]:
    """The CPU seconds of the fastest run, and the bytes of all frames together."""
    fastest_s, size = float("inf"), 0
    for _ in range(runs):
        began_s = time.process_time()
        size = sum(len(codec.frame(event)) for event in events)
        fastest_s = min(fastest_s, time.process_time() - began_s)
    return fastest_s, size


def _event(number: int, value: bytes, codec: Codec) -> Event:
    ts = 1_700_000_000_000 + number
    return Event(room="match:15946", offset=number, prev=number - 1, ts=ts, data=codec.value(value))


def _values() -> tuple[list[bytes], str]:
    folder = os.environ.get("TOUCHLINE_MATCH_DATA")
    files = sorted(Path(folder).glob("match-*.events.json")) if folder else []
    values = [msgspec.json.encode(event) for file in files for event in msgspec.json.decode(file.read_bytes())]
    if values:
        return values, ", ".join(file.name for file in files)
    generated = [msgspec.json.encode(_generate(number)) for number in range(GENERATED_EVENTS)]
    return generated, "generated; to use real ones, set TOUCHLINE_MATCH_DATA to a folder with match files"


def _generate(number: int) -> dict[str, Any]:
    """A pass with the fields of a recorded one."""
    second = number * 2.7
    return {
        "id": f"{number * 2_654_435_761 % 2**32:08x}",
        "index": number,
        "period": 1,
        "timestamp": f"00:{second // 60:02.0f}:{second % 60:06.3f}",
        "minute": int(second // 60),
        "second": int(second % 60),
        "type": {"id": 30, "name": "Pass"},
        "possession": number // 7,
        "possession_team": {"id": 1, "name": "Alder Vale"},
        "play_pattern": {"id": 1, "name": "Regular Play"},
        "team": {"id": 1, "name": "Alder Vale"},
        "player": {"id": number % 11, "name": f"Player {number % 11}"},
        "location": [number * 37 % 120, number * 53 % 80],
        "duration": number % 300 / 100,
        "pass": {
            "recipient": {"id": number * 3 % 11, "name": f"Player {number * 3 % 11}"},
            "length": number * 17 % 400 / 10,
            "angle": number * 29 % 628 / 100 - 3.14,
            "height": {"id": 1, "name": "Ground Pass"},
            "end_location": [number * 41 % 120, number * 59 % 80],
        },
    }
