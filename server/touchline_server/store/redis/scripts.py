"""Runs scripts in Redis: many in one pipeline, and again if Redis does not have one of them.

A script is loaded once and called by its SHA-1 from then on. Redis forgets it when it restarts, when a replica takes
over, and in a Cluster when a slot moves to another node: then it answers NOSCRIPT. The calls that failed are repeated
once the script is loaded again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from redis import exceptions

from .connection import RedisConnection

PIPELINE_COMMANDS_MAX = 500
"""Commands of one pipeline: some 10 ms of work, after which the loop serves others."""
PIPELINE_BYTES_MAX = 1 << 20
"""Bytes of one pipeline, unless a single command is larger: they have to arrive within the deadline of one answer."""
TRIES_MAX = 3
"""How often calls are repeated after NOSCRIPT: each node of a Cluster may lack the script."""


class Script(NamedTuple):
    """A script, and the name by which Redis knows it once it is loaded."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """The script with this text. SHA-1 is what Redis names scripts by."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Call(NamedTuple):
    """One call of a script."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int]


async def run_scripts(
    connection: RedisConnection,
    calls: Sequence[Call],
    *,
    at_once: int = PIPELINE_COMMANDS_MAX,
    in_order: bool = False,
    repeatable: bool = False,
) -> list[Any]:
    """Run scripts in order, at most ``at_once`` in one pipeline; returns their answers.

    If Redis lacks a script, the calls that failed are run again, and none that was answered. With ``in_order``, all
    calls from the first that failed on are run again: they depend on those before them, and may run twice.
    ``repeatable``: as long as there is no answer, the calls may be sent again (`RedisConnection.call_repeatable`).

    Raises:
        StoreUnavailable: one of them was not answered. Each of them may have run, or not.
        StoreRefused: Redis refused one of them.
    """
    answers: list[Any] = []
    for part in _parts(calls, at_once):
        answers += await _run(connection, part, in_order=in_order, repeatable=repeatable)
    return answers


def _parts(calls: Sequence[Call], at_once: int) -> Iterator[list[Call]]:
    part: list[Call] = []
    size = 0
    for call in calls:
        call_bytes = sum(len(arg) for arg in call.args if not isinstance(arg, int))
        if part and (len(part) >= at_once or size + call_bytes > PIPELINE_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(call)
        size += call_bytes
    if part:
        yield part


async def _run(connection: RedisConnection, calls: Sequence[Call], *, in_order: bool, repeatable: bool) -> list[Any]:
    answers = await _pipeline(connection, calls, repeatable=repeatable)
    for _ in range(TRIES_MAX):
        missing = [n for n, answer in enumerate(answers) if isinstance(answer, exceptions.NoScriptError)]
        if not missing:
            break
        for lost in {calls[n].script for n in missing}:
            await connection.call_repeatable(partial(connection.client.script_load, lost.text))
        again = range(missing[0], len(calls)) if in_order else missing
        answered = await _pipeline(connection, [calls[n] for n in again], repeatable=repeatable)
        for n, answer in zip(again, answered, strict=True):
            answers[n] = answer
    for call, answer in zip(calls, answers, strict=True):
        if isinstance(answer, Exception):
            raise connection.explained(answer, call.keys) from answer
    return answers


async def _pipeline(connection: RedisConnection, calls: Sequence[Call], *, repeatable: bool) -> list[Any]:
    async def execute() -> list[Any]:
        pipeline = connection.pipeline()
        for script, keys, args in calls:
            # Not its method `evalsha`: a Cluster's pipeline blocks that one, though it finds such a command's slot.
            pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
        answers = list(await pipeline.execute(raise_on_error=False))
        connection.check(answers)
        return answers

    return await (connection.call_repeatable(execute) if repeatable else connection.call(execute()))
