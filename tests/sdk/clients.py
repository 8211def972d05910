"""Clients for tests on real sockets, which reconnect quickly; and a check that they leave nothing behind."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

import touchline
from touchline import Backoff, Client
from touchline_protocol.codecs import CodecName

QUICK = Backoff(base_s=0.01, max_s=0.05)


@pytest.fixture(autouse=True)
async def leaves_nothing_behind() -> AsyncIterator[None]:
    """No test leaves a task of ours behind. A socket left open is a ResourceWarning, so an error."""
    yield
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("touchline")] == []
    gc.collect()


def connect(
    url: str,
    codec: CodecName = "msgpack",
    *,
    token: str | None = None,
    events_buffer_max: int = 10_000,
    actions_buffer_max: int = 256,
) -> Client:
    """A client of the server at ``url``."""
    return touchline.connect(
        url,
        token=token,
        codec=codec,
        backoff=QUICK,
        proxy=False,
        events_buffer_max=events_buffer_max,
        actions_buffer_max=actions_buffer_max,
    )


async def offsets(subscription: touchline.Subscription, count: int) -> list[int]:
    """The offsets of the next events."""
    return [(await anext(subscription)).offset for _ in range(count)]
