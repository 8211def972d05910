"""What a run reports: what was done, what was counted, and every breach."""

from collections import Counter

from cluster.run import Outcome

SHOWN = 8
"""Breaches of one kind that are shown: more would not help."""


def report(outcome: Outcome) -> str:
    """The outcome as text."""
    lines = [f"{name:36}{count:>8,}" for name, count in sorted(outcome.done.items())]
    lines += [f"{name:36}{count:>8,}" for name, count in outcome.counts.items()]
    kinds = Counter(breach.kind for breach in outcome.breaches)
    lines.append(f"{'breaches':36}{len(outcome.breaches):>8,}")
    for kind, count in kinds.most_common():
        of_kind = [breach for breach in outcome.breaches if breach.kind == kind]
        lines += [f"  {kind} x {count}", *(f"    {breach}" for breach in of_kind[:SHOWN])]
    if outcome.lost:
        lines.append(f"Kafka lost acknowledged events without an unclean election: {outcome.lost[:SHOWN]}")
    return "\n".join(lines)
