"""The code of docs/guides/, as it stands there, against a server and a broker."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from cli.processes import serving
from support.kafka_broker import KafkaBroker

GUIDES = Path(__file__).parents[2] / "docs/guides"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECRET = "only for this test, and long enough"


def code_of(guide: str, **replaced: str) -> dict[str, Any]:
    """What the Python blocks of a guide define, once they have run with these constants."""
    names: dict[str, Any] = {}
    for block in BLOCK.findall((GUIDES / f"{guide}.md").read_text("utf-8")):
        code = block
        for name, value in replaced.items():
            code = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE)
        exec(compile(code, guide, "exec"), names)
    return names


def test_live_scores_are_published_and_shown() -> None:
    key = "a-key-of-this-test"
    with serving("--log", "sqlite://", env={"TOUCHLINE_API_KEYS": key}) as server:
        guide = code_of("live-scores", API_KEY=key, CONTROL=server.control_url)
        assert asyncio.run(first_score(guide["show_scores"], server.websocket_url)) == ("15946", {"home": 1, "away": 0})


async def first_score(show_scores: Callable[..., Coroutine[Any, Any, None]], url: str) -> tuple[str, object]:
    """What is shown first."""
    shown: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
    showing = asyncio.create_task(show_scores(url, ["15946"], lambda *score: shown.put_nowait(score)))
    try:
        return await shown.get()
    finally:
        showing.cancel()
        await asyncio.wait([showing])


def test_taps_of_a_player_are_counted_and_published_and_a_bet_is_in_kafka(kafka: KafkaBroker, tmp_path: Path) -> None:
    name = tmp_path.name.replace("_", "-")
    topics = {f"TOUCHLINE_{table}__TOPIC": f"{table}-{name}".lower() for table in ("ACTIONS", "VERDICTS")}
    for topic in topics.values():
        asyncio.run(kafka.create(topic))
    feeds = {f"TOUCHLINE_FEEDS__{feed.upper()}__TOPIC": f"{feed}-{name}" for feed in ("match", "score")}
    for topic in feeds.values():
        asyncio.run(kafka.create(topic))
    env = topics | feeds | {"TOUCHLINE_AUTH__HS256_SECRET": SECRET}
    game, betting = code_of("game"), code_of("betting")
    token = game["token_for"]("alice", "1", SECRET)
    published: list[tuple[str, object, str]] = []

    async def publish(room: str, data: object, key: str) -> None:
        published.append((room, data, key))

    with serving("--log", f"kafka://{kafka.address}", env=env) as server:
        asyncio.run(game["tap"](server.websocket_url, token, "match:1", 3))
        receipt = asyncio.run(betting["bet"](server.websocket_url, token, "match:1", "winner", 4711, 500))
        assert receipt.id == 1
    topic = topics["TOUCHLINE_ACTIONS__TOPIC"]
    taps = asyncio.run(game["play"](f"kafka://{kafka.address}", publish, 3, topic))
    assert taps == {"alice": 3}
    assert published == [("match:1", {"taps": number}, "taps.alice") for number in (1, 2, 3)]
