"""``python -m cluster --seed 1 --minutes 3``: one run on real brokers. Exits with 1 if a promise was not kept."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from cluster.plan import BROKER_FAULTS, EDGE_FAULTS, TOPIC_FAULTS, make_plan
from cluster.report import report
from cluster.run import Run
from cluster.scene import FULL


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make cluster-run ARGS=…", description="Run clients, players and faults against a cluster, and check."
    )
    parser.add_argument("--seed", type=int, default=1, help="decides what happens (default: 1)")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long faults happen (default: 3)")
    parser.add_argument(
        "--faults",
        nargs="*",
        default=[*BROKER_FAULTS, *TOPIC_FAULTS, *EDGE_FAULTS],
        choices=[*BROKER_FAULTS, *TOPIC_FAULTS, *EDGE_FAULTS],
        help="the kinds of faults (default: all)",
    )
    parser.add_argument("--plan", action="store_true", help="print the plan, and do nothing")
    parser.add_argument("--keep", type=Path, help="an empty folder for data and logs, which are kept")
    return parser.parse_args()


def main() -> int:
    """Run the command."""
    args = _arguments()
    plan = make_plan(
        args.seed,
        args.minutes * 60,
        FULL.players,
        [kind for kind in BROKER_FAULTS if kind in args.faults],
        [kind for kind in TOPIC_FAULTS if kind in args.faults],
        [kind for kind in EDGE_FAULTS if kind in args.faults],
    )
    print(plan)  # noqa: T201
    if args.plan:
        return 0
    for name in ("aiokafka", "touchline"):  # clients would report every fault, many times
        logging.getLogger(name).setLevel(logging.CRITICAL)
    began_s = time.monotonic()

    def note(line: str) -> None:
        print(f"{time.monotonic() - began_s:6.1f}  {line}", flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="touchline-cluster-") as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = asyncio.run(Run(plan, FULL, folder, note).run())
    print(report(outcome))  # noqa: T201
    return 1 if outcome.breaches or outcome.lost else 0


if __name__ == "__main__":
    sys.exit(main())
