"""The example of reading actions in the SDK's README runs as it is written, but for the names of address and topic."""

import ast
import asyncio
import re
import sys
from pathlib import Path

import pytest

import touchline.actions
from actions.players import players_of
from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S
from touchline_cheatwatch.cli.watch import GROUP

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


@pytest.mark.parametrize("text", [README.read_text("utf-8"), touchline.actions.__doc__], ids=["README", "docstring"])
def test_the_examples_take_no_players_from_cheatwatch(text: str) -> None:
    groups = [ast.literal_eval(name) for name in re.findall(r'group=(".*?")', text)]
    assert groups
    assert GROUP not in groups


async def test_the_example_of_the_readme_prints_actions(kafka: KafkaBroker) -> None:
    players = await players_of(kafka)
    section = README.read_text("utf-8").partition("## Reading the players' actions")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    code = found[1].replace("kafka://localhost:9092", f"kafka://{kafka.address}")
    code = code.replace('group="my-game"', f'group="{players.group}", topic="{players.topic}", start="beginning"')
    await players.act("ann", 1, 1, 2, data={"x": 1})
    process = await asyncio.create_subprocess_exec(sys.executable, "-uc", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            lines = [(await process.stdout.readline()).decode().rstrip() for _ in range(2)]
    finally:
        process.kill()
        await process.communicate()
    assert lines == ["ann did tap {'x': 1} in match:1"] * 2
