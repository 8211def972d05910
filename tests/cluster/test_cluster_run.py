"""All clients, players and readers agree with the log of a disturbed cluster: ``make cluster-run`` as a test."""

import logging
import sys
from pathlib import Path

import pytest

from cluster.plan import BrokerFault, EdgeFault, Plan, TopicFault, make_plan
from cluster.report import report
from cluster.run import Run
from cluster.scene import FULL, SHORT, Size
from support.kafka_broker import demand_kafka

SHORT_BROKERS: tuple[BrokerFault, ...] = ("kill_leader",)
SHORT_TOPICS: tuple[TopicFault, ...] = ("recreate", "overtake")
SHORT_EDGES: tuple[EdgeFault, ...] = ("silence_client", "kill_edge")
SHORT_KINDS = {*SHORT_BROKERS, *SHORT_TOPICS, *SHORT_EDGES}
SHORT_SEED = 3550
"""Its plan waits little."""


def short_plan() -> Plan:
    """Each fault once, however long that takes."""
    plan = make_plan(SHORT_SEED, 12, SHORT.players, SHORT_BROKERS, SHORT_TOPICS, SHORT_EDGES)
    return plan._replace(
        seconds=120,
        brokers=plan.brokers[: len(SHORT_BROKERS)],
        topics=plan.topics[: len(SHORT_TOPICS)],
        edges=plan.edges[: len(SHORT_EDGES)],
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("plan", "size"),
    [(short_plan(), SHORT), pytest.param(make_plan(1, 180, FULL.players), FULL, marks=pytest.mark.long)],
    ids=["short", "full"],
)
async def test_every_client_agrees_with_the_log(
    plan: Plan,
    size: Size,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    demand_kafka()
    caplog.set_level(logging.CRITICAL, "aiokafka")
    outcome = await Run(plan, size, tmp_path, lambda line: None).run()
    with capsys.disabled():
        sys.stdout.write(f"\n{report(outcome)}\n")
    assert outcome.breaches == [], f"{plan}\n{report(outcome)}"
    assert outcome.lost == []
    assert set(outcome.done) >= SHORT_KINDS, "nothing happened"
