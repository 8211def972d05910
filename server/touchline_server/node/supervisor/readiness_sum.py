"""The readiness of an edge, from that of its workers. Pure.

Rules:

1. Clients can be sent to the edge if one worker is ready, since the kernel sends them to no other: a worker that is not
   ready does not listen.
2. A worker that is not ready while others are degrades the edge, and is named.
3. A problem that all workers report alike is reported once. Otherwise the workers that report it are named.
"""

from collections.abc import Mapping

from touchline_server.control.backend import Readiness
from touchline_server.node.readiness import EDGE


def sum_readiness(workers: Mapping[str, Readiness], own: Readiness) -> Readiness:
    """The readiness of all ``workers``, by name, and of the supervisor itself."""
    ready = {name: each for name, each in workers.items() if not each.problems}
    others = {name: each for name, each in workers.items() if each.problems}
    problems: dict[str, str] = dict(own.problems)
    degraded: dict[str, str] = {}
    if ready:
        degraded |= {name: _of_worker(each.problems) for name, each in others.items()}
    else:
        problems = {**_joined({name: each.problems for name, each in others.items()}), **problems}
    counted = ready or others
    degraded |= _joined({name: each.degraded for name, each in counted.items()})
    degraded |= {what: why for what, why in own.degraded.items() if what not in degraded}
    return Readiness(
        problems,
        {what: why for what, why in degraded.items() if what not in problems},
        {**_joined({name: each.lowered for name, each in counted.items()}), **own.lowered},
    )


def _of_worker(problems: Mapping[str, str]) -> str:
    """One sentence about a worker that is not ready. Of what concerns its edge, the worker's name is the subject."""
    return "; ".join(why if what == EDGE else f"{what}: {why}" for what, why in problems.items())


def _joined(by_worker: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """One sentence for each subject that any worker has."""
    subjects = {what: None for reported in by_worker.values() for what in reported}  # in order
    return {what: _sentence(what, by_worker) for what in subjects}


def _sentence(what: str, by_worker: Mapping[str, Mapping[str, str]]) -> str:
    workers: dict[str, list[str]] = {}
    for name, reported in by_worker.items():
        if what in reported:
            workers.setdefault(reported[what], []).append(name)
    (why, names), *rest = workers.items()
    if not rest and len(names) == len(by_worker):
        return why
    return "; ".join(f"{why} ({', '.join(names)})" for why, names in workers.items())
