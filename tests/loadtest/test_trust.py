"""The results say whether they can be trusted."""

from touchline_loadtest.measuring import Measured, percentile_ms, trust_notes

WAITED = (
    "for the core that they share the measuring process waited 1.0% of the time, the counting one 10.0%, at most; "
    "lateness and spread have that in them"
)


def measured(*, busy: float = 0.3, waited_s: float = 0.0, stolen_s: float = 0.0, crowd_busy: float = 0.1) -> Measured:
    return Measured(
        deliveries=1000,
        reads=1000,
        bytes=286_000,
        wall_s=5.0,
        cpu_s=0.005,
        waited_s=waited_s,
        measuring_busy=busy - crowd_busy,
        crowd_busy=crowd_busy,
        measuring_waited_s=0.05,
        crowd_waited_s=0.5,
        stolen_s=stolen_s,
        publisher_late_s=0.0,
    )


def test_cpu_time_is_shared_out_among_deliveries() -> None:
    assert measured().cpu_us == 5.0


def test_a_generator_that_keeps_up_on_a_quiet_machine_is_said_to() -> None:
    assert trust_notes(measured(), measured(busy=0.5)) == [
        "the clients' processes used 50% of a core (40% to publish and measure, 10% to count, at nice 5) at most, so "
        "they kept up",
        WAITED,
    ]


def test_nothing_is_said_of_a_crowd_that_is_not_there() -> None:
    assert trust_notes(measured(crowd_busy=0.0)) == [
        "the clients' processes used 30% of a core at most, so they kept up",
        "the clients' process waited 1.0% of the time for its core, at most; lateness has that in it",
    ]


def test_a_generator_that_is_the_bottleneck_is_told() -> None:
    note, waited = trust_notes(measured(), measured(busy=0.97))
    assert note.startswith("THE GENERATOR MAY BE THE BOTTLENECK: the clients' processes used 97% of a core (87% ")
    assert waited == WAITED


def test_a_host_that_took_time_away_is_told() -> None:
    *_, note = trust_notes(measured(), measured(stolen_s=0.5))
    assert note.startswith("THE HOST WAS NOT QUIET: it kept 10% of a core")
    assert len(trust_notes(measured(stolen_s=0.05))) == 2


def test_a_server_that_had_to_share_its_core_is_told() -> None:
    *_, note = trust_notes(measured(), measured(waited_s=1.0))
    assert note.startswith("THE MACHINE WAS NOT QUIET: a server waited 20%")


def test_lateness_is_in_milliseconds() -> None:
    assert percentile_ms([2_000_000] * 99 + [9_000_000], 50) == 2
    assert percentile_ms([3_000_000], 99) == 3
