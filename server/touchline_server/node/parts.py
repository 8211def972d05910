"""Waits for parts of a server that should run for ever."""

import asyncio
from collections.abc import Sequence
from typing import Any


async def until_failed(parts: Sequence[asyncio.Future[None]], *, or_set: asyncio.Event | None = None) -> None:
    """Wait until one of ``parts`` is done, or the event ``or_set`` is set. Raises what a part has failed with."""
    waited: list[asyncio.Future[Any]] = [*parts]
    setting = None if or_set is None else asyncio.create_task(or_set.wait())
    if setting is not None:
        waited.append(setting)
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if setting is not None:
            setting.cancel()
    for part in parts:
        if part.done():
            part.result()
