"""Quantiles of what was observed."""

from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.runs.series import QUANTILES, quantile_samples


def quantiles(values: list[float]) -> dict[str, float]:
    samples = quantile_samples(1.0, "event_latency", values, client="fans")
    assert all((each.unit, each.labels["client"]) == ("ms", "fans") for each in samples)
    return {each.labels["quantile"]: each.value for each in samples}


def test_quantiles_of_a_thousand() -> None:
    values = [float(value) for value in range(1000, 0, -1)]
    assert quantiles(values) == {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999, "max": 1000}


def test_one_observation_is_every_quantile() -> None:
    assert set(quantiles([7.0]).values()) == {7}


def test_without_observations_there_are_no_quantiles() -> None:
    assert quantile_samples(1.0, "event_latency", []) == []


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_least_the_share_is_at_or_below_a_quantile(values: list[float]) -> None:
    found = quantiles(values)
    for name, share in QUANTILES.items():
        below = sum(value <= found[name] for value in values)
        strictly = sum(value < found[name] for value in values)
        # Shares such as 0.999 of a thousand values are not exact in binary.
        assert below >= share * len(values) - 1e-6
        assert strictly <= share * len(values) + 1e-6
