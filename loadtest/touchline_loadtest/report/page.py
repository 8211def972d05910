"""Renders the page: one HTML file with everything in it, which needs no network, and lets no text of a run be more.

Texts of a run are escaped by Jinja, by JSON, and by the script where Plotly would take them for markup. The page's own
content security policy names its two scripts by their hashes, and allows no requests at all.
"""

import base64
import gzip
import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import jinja2
import msgspec

from touchline_loadtest.checks.breach import KINDS, Breach
from touchline_loadtest.runs.records import Mark, Scalar
from touchline_loadtest.runs.series import PROCESS
from touchline_protocol.printable import escaped, without_credentials

from .charts import CHARTS_MAX, Chart, with_unique_ids
from .of_results import PEERS, charts_of_results
from .over_time import charts_over_time, time_unit
from .results_tables import results
from .run import Run
from .verdict import verdict

BREACHES_MAX = 200
"""Breaches that the page lists one by one; it counts all of them, by kind."""
BREACHES_OPEN = 10
"""Breaches that the page shows before a reader asks for more."""
MARKS_MAX = 200
"""Phases and faults on the page."""
ROWS_MAX = 500
"""Rows of results, notes, and facts of each kind."""
TEXT_LENGTH_MAX = 500
"""Characters of one text of a run."""


class _Plotly(NamedTuple):
    script: bytes
    packed: str


@cache
def _plotly() -> _Plotly:
    """Plotly's script from its Python package, and its form in the page: 2.0 MB instead of 4.8."""
    script = files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return _Plotly(script, base64.b64encode(gzip.compress(script, mtime=0)).decode())


def charts(run: Run) -> list[Chart]:
    """All charts of a run, in the order of the page: where peers are compared, that is what a reader came for."""
    colours = _colours(run)
    over_time, of_results = charts_over_time(run, colours), charts_of_results(run.info, colours)
    return with_unique_ids([*of_results, *over_time] if run.info.kind == PEERS else [*over_time, *of_results])


def _colours(run: Run) -> dict[str, str]:
    """A colour for each group of results and each process, the same in all charts; a peer is both."""
    groups = [row.group for row in run.info.summary] if run.info.kind == PEERS else []
    processes = [sample.labels[PROCESS] for samples in run.samples for sample in samples if PROCESS in sample.labels]
    return {name: f"series-{number}" for number, name in enumerate(dict.fromkeys([*groups, *processes]))}


def render(run: Run) -> str:
    """The page of a run."""
    assets = files("touchline_loadtest.report").joinpath("assets")
    script = assets.joinpath("report.js").read_text("utf-8")
    plotly = _plotly()
    info = msgspec.structs.replace(run.info, summary=run.info.summary[:ROWS_MAX], notes=run.info.notes[:ROWS_MAX])
    all_charts = charts(run)
    data = {
        "title": clean(run.info.name),
        "charts": [_cleaned(chart) for chart in all_charts[:CHARTS_MAX]],
        "marks": _drawn_marks(run),
        "end": _since_load(run, run.load_ms[1]) / time_unit(run)[1],
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters.update(clean=clean, number=number)
    template = environment.from_string(assets.joinpath("page.html").read_text("utf-8"))
    return template.render(
        run=run,
        info=info,
        verdict=verdict(run),
        results=results(info),
        charts=all_charts[:CHARTS_MAX],
        charts_omitted=len(all_charts[CHARTS_MAX:]),
        marks=[_shown_mark(mark, run) for mark in run.marks[:MARKS_MAX]],
        marks_omitted=len(run.marks[MARKS_MAX:]),
        breaches=[_shown_breach(breach, run) for breach in run.breaches[:BREACHES_MAX]],
        breaches_open=BREACHES_OPEN,
        breaches_omitted=len(run.breaches[BREACHES_MAX:]),
        breach_kinds=_counted_kinds(run.breaches),
        rows_omitted=len(run.info.summary[ROWS_MAX:]),
        facts={
            title: dict(list(facts.items())[:ROWS_MAX])
            for title, facts in (("Settings", info.settings), ("Machine", info.machine), ("Versions", info.versions))
        },
        began=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.info.began_ms / 1000)),
        duration=duration(run.ended_ms - run.info.began_ms),
        policy=_policy(script.encode(), plotly.script),
        style=assets.joinpath("report.css").read_text("utf-8"),
        script=script,
        data=_script_safe(msgspec.json.encode(data).decode()),
        plotly=plotly.packed,
    )


def clean(text: Scalar) -> str:
    """A text of a run, fit to be shown: no invisible characters, no credentials, not too long."""
    shown = {True: "yes", False: "no", None: "-"}[text] if text is None or isinstance(text, bool) else str(text)
    shown = shown if len(shown) <= TEXT_LENGTH_MAX else f"{shown[:TEXT_LENGTH_MAX]}…"
    return escaped(without_credentials(shown))


def number(value: float | str) -> str:
    """A measured number with three or more digits, or the text that stands in its place."""
    if isinstance(value, str):
        return clean(value)
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004


def duration(length_ms: float) -> str:
    """A length of time for people, such as ``1 h 2 min`` or ``12.5 s``."""
    seconds = length_ms / 1000
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{round(seconds, 1):g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _cleaned(chart: Chart) -> Chart:
    lines = [msgspec.structs.replace(line, name=clean(line.name), x=_cleaned_x(line.x)) for line in chart.lines]
    return msgspec.structs.replace(chart, title=clean(chart.title), x_title=clean(chart.x_title), lines=lines)


def _cleaned_x(values: Sequence[float | str]) -> list[float | str]:
    return [clean(value) if isinstance(value, str) else value for value in values]


def _since_load(run: Run, at_ms: float) -> float:
    """A time as charts and lists show it, in ms since the load began. Nothing happens before that."""
    return max(0.0, at_ms - run.load_ms[0])


def _drawn_marks(run: Run) -> list[dict[str, object]]:
    """What the script needs of each mark: times in the unit of the charts, and the number that the page's list has."""
    unit_ms = time_unit(run)[1]
    return [
        {
            "at": _since_load(run, mark.at_ms) / unit_ms,
            "end": _since_load(run, _end_ms(run, position)) / unit_ms,
            "fault": mark.kind == "fault",
            "text": clean(mark.text),
            "number": position + 1,
        }
        for position, mark in enumerate(run.marks[:MARKS_MAX])
    ]


def _end_ms(run: Run, position: int) -> float:
    mark = run.marks[position]
    if mark.end_ms is not None or mark.kind == "fault":
        return mark.end_ms or mark.at_ms
    return next((later.at_ms for later in run.marks[position + 1 :] if later.kind == "phase"), run.load_ms[1])


def _shown_mark(mark: Mark, run: Run) -> dict[str, object]:
    length = "" if mark.end_ms is None else duration(mark.end_ms - mark.at_ms)
    return {"mark": mark, "at": duration(_since_load(run, mark.at_ms)), "length": length}


def _shown_breach(breach: Breach, run: Run) -> dict[str, object]:
    at = "" if breach.at_ms is None else duration(_since_load(run, breach.at_ms))
    return {"breach": breach, "at": at}


def _counted_kinds(breaches: Sequence[Breach]) -> list[tuple[str, int, str]]:
    """Each kind of breach, how many there are, and what it means; the most frequent first."""
    counts = Counter(breach.kind for breach in breaches)
    return [(kind, count, KINDS.get(kind, "")) for kind, count in counts.most_common()]


def _policy(*scripts: bytes) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _script_safe(document: str) -> str:
    """JSON that no HTML parser takes for the end of its element, or for a comment."""
    return document.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
