"""How many messages it takes to act faster than the server allows: one each, and few more."""

import pytest

from sdk.acting_world import APPEND_MS, ActingPlayer, ActingWorld

ACTIONS = 200
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))]


def finish(world: ActingWorld, *players: ActingPlayer) -> None:
    """Wait until all actions are done, and let the edge's answers travel."""

    def hear() -> None:
        for player in players:
            player.hear()
        world.later(APPEND_MS, hear)

    hear()
    world.run(lambda: all(player.done == ACTIONS for player in players))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("latency_ms", [(0, 0), (5, 25), (20, 200)], ids=str)
def test_two_hundred_actions_at_once_cost_about_two_hundred_messages(seed: int, latency_ms: tuple[int, int]) -> None:
    world = ActingWorld(seed, latency_ms)
    player = ActingPlayer(world)
    player.act(ACTIONS)
    finish(world, player)
    assert len(world.edge.log) == ACTIONS
    assert player.sent <= ACTIONS * 1.1
    assert world.now_ms < 7_000  # 64 at once, and the others at 30 per second


@pytest.mark.parametrize("seed", SEEDS)
def test_two_connections_of_a_player_share_its_rate_without_a_storm(seed: int) -> None:
    world = ActingWorld(seed)
    players = [ActingPlayer(world) for _ in range(2)]
    for player in players:
        player.act(ACTIONS)
    finish(world, *players)
    assert sum(player.sent for player in players) <= 2 * ACTIONS * 2
    assert world.now_ms < 16_000


@pytest.mark.parametrize("seed", SEEDS)
def test_while_the_log_is_away_a_client_sends_one_action_per_retry(seed: int) -> None:
    world = ActingWorld(seed)
    player = ActingPlayer(world)
    world.edge.core.actions.pause("the log is away")
    player.act(ACTIONS)
    world.later(30_000, world.edge.core.actions.resume)
    finish(world, player)
    assert player.sent <= ACTIONS + 32 + 31
    assert len(world.edge.log) == ACTIONS
