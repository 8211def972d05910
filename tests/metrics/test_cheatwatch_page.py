"""docs/metrics.md has a row for each metric of cheatwatch, and no other."""

from metrics.test_tables import rows
from touchline_cheatwatch.cli.metrics import Metrics, Reads
from touchline_cheatwatch.engine import Engine


def test_the_page_has_every_metric_of_cheatwatch_and_no_other() -> None:
    registry = Metrics(Engine({}), lambda: Reads({}, 0, {}, {})).registry
    shown = {
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in registry.collect()
        if family.name.startswith("cheatwatch_")
    }
    assert {(name, kind, meaning) for name, kind, _, meaning, _ in rows("cheatwatch watch")} == shown
    samples = {sample.name for family in registry.collect() for sample in family.samples}
    assert not [name for name in samples if name.endswith("_created")], "edges and keepers have none either"
    assert {family.name for family in registry.collect()} >= {"touchline_build_info", "process_cpu_seconds"}
