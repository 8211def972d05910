"""The recipe for other languages in docs/player-actions.md removes the same duplicates as `touchline.actions`."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from actions.records import Written
from support.browser import launched_browser, open_page
from touchline.actions.action import Action, action_of
from touchline.actions.dedup import BLOCKS_MAX, Dedup
from touchline_kafka.group.delivery import Delivery, Partition
from touchline_protocol.errors import BadRecord
from touchline_protocol.limits import ACTION_RESEND_S_MAX, ACTIONS_WINDOW_MAX

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "docs" / "player-actions.md").read_text("utf-8")
SEQUENCES: list[dict[str, Any]] = json.loads((ROOT / "protocol" / "vectors" / "duplicates.json").read_text("utf-8"))[
    "sequences"
]
LOOK_BACK_S = 360

(MEMORY,) = re.findall(r"^```js\n(.*?)^```$", RECIPE, re.MULTILINE | re.DOTALL)

READ_ALL = """(sequences) => sequences.map((actions) => {
    const seen = new Seen()
    return actions.map(([player, session, id]) => seen.isNew(player, session, id))
})"""


def records_of(sequence: dict[str, Any]) -> list[Written]:
    """The records of a vector, whose offsets are their places."""
    return [
        Written(
            offset,
            record["timestamp"],
            record["key"].encode(),
            None if record["value"] is None else record["value"].encode(),
            tuple((name, value.encode()) for name, value in record["headers"]),
        )
        for offset, record in enumerate(sequence["records"])
    ]


def read_by_us(records: list[Written], committed: int) -> list[int]:
    """The offsets of what `touchline.actions` hands out after a restart at an offset."""
    delivery: Delivery[Action] = Delivery(action_of, lambda _: None)
    partition = Partition(0, read_from=0, deliver_from=committed, memory=Dedup(LOOK_BACK_S * 1000))
    delivery.add(partition, records)
    handed: list[int] = []
    while batch := delivery.take(100):
        handed += [action.offset for action in batch]
    return handed


def names_of(records: list[Written]) -> list[tuple[int, tuple[str, str, int]]]:
    """What identifies the action of each record that holds one, by its offset: the key and two headers."""
    names = []
    for record in records:
        try:
            action = action_of(record, 0)
        except BadRecord:
            continue
        headers = dict(record.headers)
        name = (record.key or b"").decode(), headers["session"].decode(), int(headers["id"])
        assert name == (action.player, action.session, action.id)
        names.append((record.offset, name))
    return names


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence["about"][:60])
def test_our_reader_hands_out_what_the_vector_says(sequence: dict[str, Any]) -> None:
    assert read_by_us(records_of(sequence), sequence["committed"]) == sequence["handed_out"]


def random_actions(seed: int) -> list[tuple[str, str, int]]:
    """Actions of a few sessions, which jump about, go back and come again."""
    dice = random.Random(seed)
    ids = [dice.randrange(1, 7 * ACTIONS_WINDOW_MAX) for _ in range(30)]
    return [(dice.choice(["ada", "bob"]), dice.choice(["s", "t"]), dice.choice(ids)) for _ in range(300)]


def new_to_us(actions: list[tuple[str, str, int]]) -> list[bool]:
    memory = Dedup(LOOK_BACK_S * 1000)
    return [
        memory.is_new(Action(player, "match:1", "tap", None, session, number, 0, "edge-1", 0, offset), offset)
        for offset, (player, session, number) in enumerate(actions)
    ]


async def test_the_recipe_removes_what_our_reader_removes() -> None:
    named = [names_of(records_of(sequence)) for sequence in SEQUENCES]
    drawn = [random_actions(seed) for seed in range(100)]
    async with launched_browser() as browser, open_page(browser) as page:
        await page.add_script_tag(content=MEMORY)
        found = await page.evaluate(READ_ALL, [[name for _, name in names] for names in named] + drawn)
    for sequence, names, new in zip(SEQUENCES, named, found[: len(named)], strict=True):
        handed = [offset for (offset, _), is_new in zip(names, new, strict=True) if is_new]
        assert [offset for offset in handed if offset >= sequence["committed"]] == sequence["handed_out"]
    assert found[len(named) :] == [new_to_us(actions) for actions in drawn]
    assert any(False in new for new in found[len(named) :])


def test_the_numbers_of_the_recipe_are_those_of_our_reader() -> None:
    numbers = dict(re.findall(r"^const (\w+) = ([\d_]+)", MEMORY, re.MULTILINE))
    assert int(numbers["IDS_PER_BLOCK"]) == ACTIONS_WINDOW_MAX
    assert int(numbers["BLOCKS_MAX"]) == BLOCKS_MAX
    assert LOOK_BACK_S > ACTION_RESEND_S_MAX
    assert f"{LOOK_BACK_S} s" in RECIPE


def test_the_example_of_the_recipe_is_true() -> None:
    rows = re.findall(r"^\| (\d+) \| (edge-\d) \| `(\w+)` \| (\d) \| ([^|]*) \|$", RECIPE, re.MULTILINE)
    first = int(rows[0][0])
    actions = [("ada", session, int(number)) for _, _, session, number, _ in rows]
    assert [int(row[0]) for row in rows] == list(range(first, first + len(rows)))
    assert new_to_us(actions) == [not row[4].startswith("drops") for row in rows]
