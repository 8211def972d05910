"""The rule about clocks that differ, for every system that reports its time. Pure."""

from touchline_server.doctor.finding import Finding, Severity

CLOCK_S_MAX = 2.0
"""Clocks that are synchronized with NTP differ by milliseconds."""
SYNCHRONIZE = "synchronize the clocks with NTP (timedatectl set-ntp true)"


def clock_finding(
    code: str, subject: str, owner: str, off_s: float | None, round_trip_s: float, effect: str
) -> Finding | None:
    """What to report if the clock of ``owner`` is ``off_s`` ahead of this machine's; None if it is not off, or unknown.

    A slow answer, with a long ``round_trip_s``, does not make a clock wrong.
    """
    if off_s is None or abs(off_s) - round_trip_s <= CLOCK_S_MAX:
        return None
    direction = "ahead of" if off_s > 0 else "behind"
    text = f"the clock of {owner} is {abs(off_s):.1f} s {direction} that of this machine: {effect}"
    return Finding(Severity.WARNING, code, subject, text, SYNCHRONIZE)
