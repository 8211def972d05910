"""The part of an audience that Locust cannot carry: clients that receive and count, beside Locust's users.

Locust's users are the checked part: each of them is compared with the log. Of the swarm, a sample is; the rest counts
bytes, which have to be what the sample received in their rooms.
"""

import time
from collections.abc import Sequence

from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.locust.shapes.choice import schedule_named
from touchline_loadtest.locust.shapes.schedules import kick_off
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.swarm.plan import KICK_OFF_S, Edge, Settings, Shape
from touchline_loadtest.swarm.result import Outcome
from touchline_loadtest.swarm.run import run_swarm

from .servers import Servers
from .settings import SWARM_ENDS_S, LoadTest

ROOMS_PER_CLIENT = (1, 5)
"""As many as Locust's fans are in, by default."""
SECONDS_MIN = 1.0


async def swarm_part(test: LoadTest, running: Servers, rooms: Sequence[str], secret: str, run: RunWriter) -> Outcome:
    """Let the swarm come as Locust's users do, and stay nearly until they leave. Something else publishes.

    Raises:
        ProcessFailed: a process of the swarm ended.
    """
    kicked_off = schedule_named(test.shape) is kick_off
    arrival_s = KICK_OFF_S if kicked_off else 0.0
    settings = Settings(
        edges=[Edge("127.0.0.1", edge.port) for edge in running.edges],
        rooms=rooms,
        clients=test.swarm,
        processes=test.swarm_processes,
        seconds=max(SECONDS_MIN, test.seconds - arrival_s - SWARM_ENDS_S),
        shape=Shape.KICK_OFF if kicked_off else Shape.STEADY,
        rooms_per_client=ROOMS_PER_CLIENT,
        seed=test.seed,
        token=TokenSigner(secret).sign("swarm", rooms=["*"], act=[], now_s=int(time.time())),
    )
    return await run_swarm(settings, run)
