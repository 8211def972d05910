"""How long a drain takes: long enough that another edge can let all clients in, short enough for a supervisor."""

import math
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.config.drain import (
    DRAIN_S_MAX,
    DRAIN_S_MIN,
    GRACE_S_DEFAULT,
    RECONNECTS_PER_SECOND,
    STOP_AFTER_DRAIN_S,
    drain_time_s,
    stop_time_s,
)
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.control.server import STOP_TIMEOUT_S
from touchline_server.core.liveness import LINGER_MS
from touchline_server.edge.appender import STOP_S


@pytest.mark.parametrize(("connections", "drain_s"), [(0, 2), (3, 2), (6_000, 2), (9_000, 3), (50_000, 50 / 3)])
def test_a_drain_takes_as_long_as_another_edge_needs_for_the_clients(connections: int, drain_s: float) -> None:
    assert drain_time_s("auto", connections) == pytest.approx(drain_s)


@given(st.integers(0, 10**9))
def test_no_edge_gets_more_clients_than_it_can_let_in_unless_the_grace_period_says_so(connections: int) -> None:
    drain_s = drain_time_s("auto", connections)
    assert DRAIN_S_MIN <= drain_s <= DRAIN_S_MAX
    assert drain_s == DRAIN_S_MAX or connections / drain_s <= RECONNECTS_PER_SECOND + 0.001


def test_the_default_stop_fits_in_the_default_grace_period_of_kubernetes() -> None:
    defaults = Settings()
    assert drain_time_s(defaults.drain_s, defaults.connections_max) >= defaults.connections_max / RECONNECTS_PER_SECOND
    assert stop_time_s(defaults.drain_s, defaults.connections_max, defaults.drain_grace_s) <= GRACE_S_DEFAULT
    assert stop_time_s("auto", 10**9, 0) <= GRACE_S_DEFAULT


def test_what_follows_the_drain_is_counted_in_full() -> None:
    assert max(STOP_S + LINGER_MS / 1000, STOP_TIMEOUT_S) < STOP_AFTER_DRAIN_S


def test_a_set_time_is_obeyed_whatever_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for written, drain_s in (("0", 0), ("2.5", 2.5), ("auto", "auto")):
        monkeypatch.setenv("TOUCHLINE_DRAIN_S", written)
        settings = load_settings()
        assert settings.drain_s == drain_s
        assert drain_s == "auto" or drain_time_s(settings.drain_s, 10**6) == drain_s


def test_no_drain_is_endless() -> None:
    assert math.isfinite(stop_time_s("auto", 10**300, 0))


def test_the_pod_in_the_documentation_is_not_killed_while_it_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "fleet.md"
    example = re.search(r"```yaml\n(spec:\n.*?)```", page.read_text(), re.DOTALL)
    assert example is not None
    pod = yaml.safe_load(example[1])["spec"]
    for variable in pod["containers"][0]["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = load_settings()
    assert settings.drain_grace_s > 0
    longest_s = stop_time_s(settings.drain_s, settings.connections_max, settings.drain_grace_s)
    assert longest_s <= pod["terminationGracePeriodSeconds"]
