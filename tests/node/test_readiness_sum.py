"""The readiness of an edge with several workers: one that is ready is enough, and each that is not is named."""

from touchline_server.control.backend import Readiness
from touchline_server.node.supervisor.readiness_sum import sum_readiness

READY = Readiness({}, {})
STARTING = Readiness({"edge": "it starts"}, {})
OWN = Readiness({}, {})


def test_workers_that_are_all_ready_have_nothing_to_report() -> None:
    assert sum_readiness({"e/1": READY, "e/2": READY}, OWN) == Readiness({}, {}, {})


def test_one_worker_that_is_not_ready_degrades_the_edge_by_its_name() -> None:
    summed = sum_readiness({"e/1": READY, "e/2": STARTING, "e/3": READY}, OWN)
    assert not summed.problems
    assert list(summed.degraded) == ["e/2"]
    assert summed.degraded["e/2"] == "it starts"
    other = Readiness({"auth.jwks": "no key"}, {})
    assert sum_readiness({"e/1": READY, "e/2": other}, OWN).degraded == {"e/2": "auth.jwks: no key"}


def test_without_a_worker_that_is_ready_clients_are_kept_away() -> None:
    other = Readiness({"auth.jwks": "no key"}, {"topic": "behind"})
    summed = sum_readiness({"e/1": STARTING, "e/2": other}, OWN)
    assert summed.problems == {"edge": "it starts (e/1)", "auth.jwks": "no key (e/2)"}
    assert summed.degraded == {"topic": "behind (e/2)"}


def test_what_all_workers_report_alike_is_reported_once() -> None:
    away = Readiness({}, {"brokers": "away"}, {"connections_max": "few files"})
    assert sum_readiness({"e/1": away, "e/2": away}, OWN) == Readiness(
        {}, {"brokers": "away"}, {"connections_max": "few files"}
    )
    assert sum_readiness({"e/1": STARTING, "e/2": STARTING}, OWN).problems == {"edge": "it starts"}


def test_what_some_workers_report_names_them() -> None:
    full = Readiness({}, {"connections_max": "full"})
    assert sum_readiness({"e/1": full, "e/2": READY}, OWN).degraded == {"connections_max": "full (e/1)"}
    reports = {"e/1": full, "e/2": Readiness({}, {"connections_max": "almost"}), "e/3": full}
    assert sum_readiness(reports, OWN).degraded == {"connections_max": "full (e/1, e/3); almost (e/2)"}


def test_a_problem_of_a_worker_that_is_not_ready_is_not_reported_twice() -> None:
    both = Readiness({"edge": "it starts"}, {"topic": "behind"})
    assert list(sum_readiness({"e/1": both, "e/2": READY}, OWN).degraded) == ["e/1"]


def test_the_supervisors_own_problems_come_last() -> None:
    own = Readiness({}, {"brokers": "publishing fails", "topic": "gone"}, {})
    away = Readiness({}, {"brokers": "away"})
    assert sum_readiness({"e/1": away}, own).degraded == {"brokers": "away", "topic": "gone"}
    draining = Readiness({"edge": "draining"}, {})
    assert sum_readiness({"e/1": READY}, draining).problems == {"edge": "draining"}
