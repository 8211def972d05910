"""Locust's statistics are the same whether it hears of observations one by one or in batches; and what events cost."""

import json
import subprocess
import sys
from random import Random

import pytest

from touchline_loadtest.locust.results.batch import Batches

BOTH_WAYS = """
import json
from random import Random
from locust.env import Environment
from touchline_loadtest.locust.results.stats import Stats

random, both = Random(1), []
times = [random.lognormvariate(3, 2) for _ in range(5000)]
single, bulk = Environment(), Environment()
for environment in single, bulk:
    environment.create_local_runner()
for ms in times:
    single.events.request.fire(request_type="live", name="event", response_time=ms, response_length=9, context={})
stats = Stats(bulk)
for number, ms in enumerate(times):
    stats.event("event", ms, 9)
    if number % 700 == 0:
        stats.flush()
stats.flush()
for environment in single, bulk:
    for entry in environment.stats.entries["event", "live"], environment.stats.total:
        quantiles = [entry.get_response_time_percentile(share) for share in (0.5, 0.9, 0.99, 0.999, 1.0)]
        both.append([*quantiles, entry.num_requests, entry.min_response_time, entry.max_response_time,
                     round(entry.avg_response_time, 6), entry.total_content_length,
                     sum(entry.num_reqs_per_sec.values())])
print(json.dumps(both))
"""


@pytest.mark.long
def test_batches_give_the_same_table_as_single_requests() -> None:
    result = subprocess.run([sys.executable, "-c", BOTH_WAYS], capture_output=True, check=True, text=True)
    single, single_total, bulk, bulk_total = json.loads(result.stdout)
    assert bulk == single
    assert bulk_total == single_total


def test_a_batch_holds_what_was_added_since_it_was_taken() -> None:
    random, batches = Random(1), Batches(round)
    times = [random.uniform(0, 50) for _ in range(100)]
    for ms in times:
        batches.add("event", ms, 10)
    (batch,) = batches.take().values()
    assert (batch.count, batch.bytes, batch.min_ms, batch.max_ms) == (100, 1000, min(times), max(times))
    assert batch.total_ms == pytest.approx(sum(times))
    assert sum(batch.buckets.values()) == 100
    assert batches.take() == {}


@pytest.mark.long
def test_the_cost_of_receiving_can_be_measured() -> None:
    command = [sys.executable, "-m", "touchline_loadtest.locust.reception_cost"]
    result = subprocess.run(command, capture_output=True, check=True, text=True)
    costs_us = [float(line.split(" us ")[0].split()[-1]) for line in result.stdout.splitlines()]
    assert len(costs_us) == 3
    assert 0 < costs_us[2] < costs_us[0]
    assert result.stderr == ""
