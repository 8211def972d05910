"""A client moves to a mirror, and its events are equal: the same key, time and data."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.test_moves import OLD, START_MS, at, filled
from support.moving_client import MovingClient
from support.thoroughness import examples
from touchline.session.seen import SEEN_EVENTS_MAX


@settings(max_examples=examples(4))
@given(
    values=st.lists(st.sampled_from(((None, "clap"), (None, "boo"), ("lamp", "on"), ("lamp", "off"))), max_size=14),
    copied=st.integers(0, 14),
    joins_at=st.integers(0, 14),
    leaves_at=st.integers(0, 14),
)
def test_of_equal_events_of_one_moment_none_is_missed_and_none_comes_twice(
    values: list[tuple[str | None, str]], copied: int, joins_at: int, leaves_at: int
) -> None:
    made = [at(n, START_MS, f'"{value}"', key) for n, (key, value) in enumerate(values)]
    source, client = filled("source", made[:joins_at]), MovingClient()
    client.go_to(source)
    source.append(made[joins_at:leaves_at])
    client.run(source)
    had, seen = len(client.events), max(joins_at, leaves_at)
    copies = [each._replace(offset=701 + each.offset) for each in made[:copied]]
    client.go_to(filled("mirror", [OLD, *copies, at(900, START_MS, '"new"')]))
    got = [event.offset - 701 for event in client.events[had:]]
    behind = [*range(min(seen, len(copies)), len(copies)), 900 - 701]
    if client.view.restarts:
        assert joins_at or not (seen and copies)
        return
    assert got[len(got) - len(behind) :] == behind
    if joins_at == 0:
        assert got == behind


def test_of_two_equal_events_in_the_state_it_is_not_the_first() -> None:
    made = [at(n, START_MS, value, key) for n, (key, value) in enumerate((("a", "1"), ("b", "2"), ("a", "1")))]
    client = MovingClient()
    client.go_to(filled("source", made))
    copies = [each._replace(offset=701 + each.offset) for each in made]
    client.go_to(filled("mirror", [OLD, *copies, at(704, START_MS + 1, '"new"')]))
    assert [event.data for event in client.events] == ["new"]
    assert (client.view.restarts, client.view.moves) == (0, 1)


def test_more_equal_events_than_are_remembered_are_all_recognised() -> None:
    for values in (["1"], ["1", "2"], ["1", "2", "2"]):
        made = [at(n, START_MS, values[n % len(values)]) for n in range(5 * SEEN_EVENTS_MAX)]
        source, client = filled("source", []), MovingClient()
        client.go_to(source)
        source.append(made)
        client.run(source)
        copies = [each._replace(offset=701 + each.offset) for each in made]
        client.go_to(filled("mirror", [OLD, *copies, at(9_000, START_MS, '"new"')]))
        assert [event.data for event in client.events[len(made) :]] == ["new"]


def test_of_equal_events_from_before_it_joined_a_client_receives_those_that_it_has_not() -> None:
    claps = [at(n, START_MS, '"clap"') for n in range(4)]
    source, client = filled("source", claps[:3]), MovingClient()
    client.go_to(source)
    source.append(claps[3:])
    client.run(source)
    copies = [each._replace(offset=701 + each.offset) for each in claps]
    client.go_to(filled("mirror", [OLD, *copies, at(705, START_MS + 1, '"new"')]))
    assert [event.data for event in client.events] == ["clap"] * 4 + ["new"], "each of the room once"
