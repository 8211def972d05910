"""A run as a load test writes one: two edges, a broker, and two processes of clients, for five minutes, with faults."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample, SummaryRow
from touchline_loadtest.runs.series import QUANTILES, sample
from touchline_loadtest.runs.writer import RunWriter

BEGAN_MS = 1_800_000_000_000.0
SECONDS = 300
KILLED_S, BACK_S = 140, 165
CLIENTS = 5000

INFO = RunInfo(
    name="Kick-off: 10,000 fans within 30 s, then a goal",
    kind="locust",
    began_ms=BEGAN_MS,
    versions={"touchline": "0.9.0", "python": "3.11.7", "locust": "2.47.0", "kafka": "4.1.1"},
    machine={"cpu": "Intel(R) Xeon(R) Processor", "cores": 2, "system": "Linux 6.18"},
    settings={"users": 10_000, "shape": "kick-off", "events_per_s": 50, "deliver": "all", "processes": 2, "tls": False},
    notes=["The broker shared the clients' core.", "The host took nothing from the machine."],
)
SUMMARY = [
    SummaryRow("events without a fault", 14_873_210, "", group="all clients"),
    SummaryRow("event latency, p50", 3.1, "ms", group="Fan"),
    SummaryRow("event latency, p99", 31.4, "ms", "<= 50", met=True, group="Fan"),
    SummaryRow("time to first state, p99", 212.0, "ms", "<= 500", met=True, group="Fan"),
    SummaryRow("action to ack, p99", 61.0, "ms", "<= 50", met=False, group="Player"),
    SummaryRow("deliveries", 498_000, "/s", ">= 400,000", met=True, group="all clients"),
    SummaryRow("gaps, duplicates, reorders", 0, "", "= 0", met=True, group="all clients"),
]
MARKS = [
    Mark(BEGAN_MS, "kick-off", "phase", BEGAN_MS + 30_000),
    Mark(BEGAN_MS + 30_000, "first half", "phase", BEGAN_MS + 200_000),
    Mark(BEGAN_MS + 200_000, "goal", "phase", BEGAN_MS + 230_000),
    Mark(BEGAN_MS + 230_000, "half-time", "phase", BEGAN_MS + 300_000),
    Mark(BEGAN_MS + KILLED_S * 1000, "edge 2 killed", "fault", BEGAN_MS + BACK_S * 1000),
    Mark(BEGAN_MS + 215_000, "all connections cut", "fault"),
]
BREACHES = [
    Breach("gap", "fan 4711", "expected offset 8112, received 8114", "match:15946", 8113, BEGAN_MS + 141_200),
    Breach("action_lost", "player 12", "action 88 was acknowledged, but the log has no such record", "match:3"),
]


def client_samples(at_s: int, chance: random.Random) -> Iterator[Sample]:
    """The samples of one of the two processes of clients."""
    at_ms = BEGAN_MS + at_s * 1000 + chance.uniform(0, 300)
    fault = 40 if KILLED_S <= at_s < KILLED_S + 4 else 1
    burst = 2.2 if 200 <= at_s < 230 else 1
    base = 2.6 * burst * math.exp(chance.gauss(0, 0.12))
    for name, share in QUANTILES.items():
        tail = 1 / (1.002 - share)
        latency = base * tail**0.45 * (fault if share > 0.5 else 1)
        yield Sample(at_ms, "event_latency", latency, "ms", {"quantile": name})
        yield Sample(at_ms, "action_latency", latency * 1.6, "ms", {"quantile": name})
        if at_s < 60 or KILLED_S <= at_s <= BACK_S:
            yield Sample(at_ms, "first_state", latency * 4, "ms", {"quantile": name})
    connected = CLIENTS * min(1.0, at_s / 30) * (0.5 if KILLED_S <= at_s < KILLED_S + 3 else 1)
    yield sample(at_ms, "connections", round(connected))
    yield sample(at_ms, "deliveries", connected * 50 * burst * chance.uniform(0.97, 1.03))
    yield sample(at_ms, "errors", 200.0 if KILLED_S <= at_s < KILLED_S + 2 else 0.0)


def process_samples(at_s: int, chance: random.Random) -> Iterator[Sample]:
    """The samples of the processes, from outside."""
    at_ms = BEGAN_MS + at_s * 1000.0
    busy = min(1.0, at_s / 30) * (1.6 if 200 <= at_s < 230 else 1)
    sizes = {"edge 1": (44, 70), "edge 2": (43, 68), "kafka": (18, 430), "locust worker 1": (52, 180)}
    for name, (percent, mib) in sizes.items():
        if name == "edge 2" and KILLED_S <= at_s < BACK_S:
            continue
        yield sample(at_ms, "cpu", percent * busy * chance.uniform(0.9, 1.1), process=name)
        yield sample(at_ms, "memory", mib * (1 + 0.3 * min(1.0, at_s / 30)) + chance.uniform(0, 1), process=name)
        yield sample(at_ms, "open_files", 20 + CLIENTS * min(1.0, at_s / 30) / 2, process=name)
    yield sample(at_ms, "log_lag", chance.randint(0, 3) + (900 if KILLED_S <= at_s < KILLED_S + 3 else 0))


def write_example(folder: Path, breaches: list[Breach] | None = None) -> Path:
    """Write the run into ``folder``, as three processes would."""
    chance = random.Random(1)
    with RunWriter.create(folder, INFO) as run:
        for mark in MARKS:
            run.mark(mark)
        for at_s in range(SECONDS):
            run.samples(process_samples(at_s, chance))
        run.breaches(BREACHES if breaches is None else breaches)
        run.finish(BEGAN_MS + SECONDS * 1000, SUMMARY)
        own = next(folder.glob("samples-*.jsonl"))
        for worker in (1, 2):
            with RunWriter.create(folder / "other", INFO) as other:
                for at_s in range(SECONDS):
                    other.samples(client_samples(at_s, chance))
            own_of_worker = next((folder / "other").glob("samples-*.jsonl"))
            own_of_worker.rename(own.with_name(f"samples-{worker}.jsonl"))
            (folder / "other" / "run.json").unlink()
        (folder / "other").rmdir()
    return folder
