"""Which edges clients are sent to: those that have read their log once, whatever happens to it afterwards."""

import asyncio

import httpx

from edge.logs import TOPIC, ScriptedLog
from support.waiting import eventually
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import CaughtUp, TopicOpened
from touchline_server.node.node import Node


class TroubledLog(ScriptedLog):
    """A log in memory with a problem."""

    @property
    def problems(self) -> dict[str, str]:
        return {"kafka": "no broker answers"}


async def test_an_edge_is_ready_once_it_has_read_its_log_and_stays_so_when_the_log_is_lost() -> None:
    log = TroubledLog(TopicOpened(TOPIC, "e", {0: 0}))
    settings = Settings(log="sqlite://", port=0, control_port=0, drain_s=0, feeds={"score": FeedSettings(topic=TOPIC)})
    node = Node(settings, log=log)
    starting = asyncio.create_task(node.start())
    try:
        await eventually(lambda: node.control_port and TOPIC in node.problems())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.control_port}") as http:
            for path in ("/readyz", "/readyz/strict"):
                answer = await http.get(path)
                assert (answer.status_code, answer.json()["problems"].keys()) == (503, {"edge", "kafka", TOPIC})
            log.emit(CaughtUp(TOPIC))
            await starting
            answer = await http.get("/readyz")
            assert (answer.status_code, answer.json()) == (200, {"ready": True, "degraded": log.problems})
            assert (await http.get("/readyz/strict")).status_code == 503
    finally:
        starting.cancel()
        await node.stop()
