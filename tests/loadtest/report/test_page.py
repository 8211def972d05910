"""The page in a real browser, without a network: what a reader sees, light or dark, whatever the texts of a run are."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import plotly.graph_objects
import pytest
from playwright.async_api import Browser, Page

from support.browser import browser
from support.example_run import BREACHES, INFO, MARKS, SUMMARY, write_example
from touchline_loadtest.checks.breach import KINDS
from touchline_loadtest.report.page import BREACHES_MAX, BREACHES_OPEN, render
from touchline_loadtest.report.run import Run
from touchline_loadtest.report.sources.load import load
from touchline_loadtest.runs.records import Breach, Mark, Sample, SummaryRow

__all__ = ["browser"]

SHARED = pytest.mark.asyncio(loop_scope="session")
HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>&amp;<b>%{y}</b>{{ 7 * 7 }}\u202egnp"
)


@asynccontextmanager
async def opened(browser: Browser, page: str, folder: Path, **options: Any) -> AsyncIterator[Page]:
    """Open a page from a file, offline. Anything that its console says fails the test, and so does any request."""
    path = folder / "page.html"
    await asyncio.to_thread(path.write_text, page, "utf-8")
    context = await browser.new_context(offline=True, **options)
    tab = await context.new_page()
    said: list[str] = []
    tab.on("console", lambda line: said.append(line.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    try:
        await tab.goto(path.as_uri())
        await tab.wait_for_selector("html[data-drawn=yes]")
        yield tab
    finally:
        await context.close()
    assert said == []


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load(write_example(tmp_path_factory.mktemp("run")))


async def texts(page: Page, selector: str) -> list[str]:
    """The texts of a chart's elements, which are SVG."""
    return await page.locator(selector).all_text_contents()


async def check_the_page(page: Page, run: Run, width: int) -> None:
    assert INFO.name in await page.title()
    assert await page.locator("h1").inner_text() == INFO.name
    assert await page.locator(".verdict.failed").count() == 1
    missed = await page.locator("tr.missed").all_inner_texts()
    assert [row.split() for row in missed] == [["action", "to", "ack,", "p99", "61", "ms", "<=", "50", "no"]]
    body = await page.locator("body").inner_text()
    assert [
        text for text in (BREACHES[0].text, "gap: 1", "action_lost: 1", KINDS["action_lost"]) if text not in body
    ] == []
    # Nothing is wider than a phone.
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert await page.locator("figure").count() == 11
    latency = "#chart-event-latency"
    assert await page.locator(f"{latency} .scatterlayer .trace").count() == 5
    assert await texts(page, f"{latency} .legendtext") == ["p50", "p90", "p99", "p99.9", "max"]
    assert await texts(page, f"{latency} .xtitle") == ["time since the load began (min)"]
    assert "ms" in (await texts(page, f"{latency} .ytitle"))[0]
    assert "1,000" in await texts(page, f"{latency} .ytick")
    faults = {str(number) for number, mark in enumerate(run.marks, 1) if mark.kind == "fault"}
    assert faults <= set(await texts(page, f"{latency} .annotation-text"))


OVERLAPS = """() => run.charts.filter(chart => chart.lines.length > 1 && chart.form === "lines").filter(chart => {
    const [title, legend] = [".xtitle", ".legend .bg"].map(
        name => document.querySelector(`#chart-${chart.id} ${name}`).getBoundingClientRect());
    return legend.top < title.bottom;
}).map(chart => chart.id)"""
"""The charts whose legend lies over the title of their axis."""


async def check_the_figures(page: Page) -> None:
    """Plotly's script ignores misspelt settings. Its Python package does not."""
    for figure in await page.evaluate("run.charts.map(chart => figure(chart, 800))"):
        plotly.graph_objects.Figure(json.loads(json.dumps(figure)))


async def check_pointing_and_zooming(page: Page) -> None:
    chart = page.locator("#chart-connections .nsewdrag")
    await chart.scroll_into_view_if_needed()
    box = await chart.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.65, box["y"] + 60
    await page.mouse.move(x - 5, y)
    await page.mouse.move(x, y)
    shown = page.locator("#chart-connections .hoverlayer .legendtext").first
    await shown.wait_for()
    assert "10,000" in (await shown.text_content() or "")
    await page.mouse.down()
    await page.mouse.move(x + 90, y, steps=4)
    await page.mouse.up()
    charts = "run.charts.filter(chart => chart.form === 'lines').map(chart => `chart-${chart.id}`)"
    start = "document.getElementById(id).layout.xaxis.range[0]"
    await page.wait_for_function(f"{charts}.every(id => {start} > 3)")


@SHARED
async def test_the_page_has_the_run_and_its_charts_answer_the_mouse(
    example: Run, browser: Browser, tmp_path: Path
) -> None:
    """One test, because each page takes Plotly two seconds."""
    async with opened(browser, render(example), tmp_path, viewport={"width": 1400, "height": 844}) as page:
        await check_the_page(page, example, 1400)
        assert await page.evaluate(OVERLAPS) == []
        await check_pointing_and_zooming(page)


@SHARED
@pytest.mark.long
async def test_the_page_on_a_phone_in_the_dark(example: Run, browser: Browser, tmp_path: Path) -> None:
    size = {"width": 390, "height": 844}
    async with opened(browser, render(example), tmp_path, color_scheme="dark", viewport=size) as page:
        await check_the_page(page, example, 390)
        assert await page.evaluate(OVERLAPS) == []
        await check_the_figures(page)


@SHARED
async def test_no_text_of_a_run_is_taken_for_markup(browser: Browser, tmp_path: Path) -> None:
    samples = [
        Sample(INFO.began_ms + second * 1000, HOSTILE, 1.0, HOSTILE, {"process": f"{HOSTILE}{n}"})
        for second in range(3)
        for n in range(2)
    ]
    info = msgspec.structs.replace(
        INFO,
        name=HOSTILE,
        kind=HOSTILE,
        settings={HOSTILE: HOSTILE},
        machine={},
        versions={},
        notes=[HOSTILE],
        summary=[SummaryRow(HOSTILE, 3.0, HOSTILE, "<= 5", met=True, group=HOSTILE), SummaryRow("x", HOSTILE)],
    )
    marks = [Mark(INFO.began_ms, HOSTILE, "phase", INFO.began_ms + 300_000), Mark(INFO.began_ms, HOSTILE, "fault")]
    run = Run(info, [samples], marks, [Breach(HOSTILE, HOSTILE, HOSTILE, HOSTILE)])
    async with opened(browser, render(run), tmp_path) as page:
        assert await page.locator("h1").inner_text() == HOSTILE.replace("\u202e", "\\u202e")
        assert await page.locator("img, b:not(text b), a[href]:not([href='#marks'])").count() == 0
        legend = await page.locator("figure .legendtext").all_text_contents()
        assert [text[:9] for text in legend] == ["</script>"] * 2
        assert await page.locator("text tspan[style*='bold']").count() == 1  # the number of the fault, which is ours
        assert "taken" not in (await page.title())[:5]


@SHARED
@pytest.mark.long
async def test_a_day_of_many_processes_and_a_flood_of_breaches_are_a_small_page(
    browser: Browser, tmp_path: Path
) -> None:
    began = INFO.began_ms
    samples = [
        Sample(began + second * 1000, "cpu", (second * number) % 101, "%", {"process": f"worker {number}"})
        for number in range(20)
        for second in range(0, 86_400, 20)
    ]
    breaches = [Breach("gap", f"fan {number}", "x" * 5000) for number in range(20_000)]
    page_text = render(Run(msgspec.structs.replace(INFO, ended_ms=began + 86_400_000), [samples], (), breaches))
    assert len(page_text) < 3_500_000
    async with opened(browser, page_text, tmp_path) as page:
        assert await page.locator("td.text").count() == BREACHES_MAX
        assert await page.locator("td.text:visible").count() == BREACHES_OPEN
        assert await page.evaluate(OVERLAPS) == []
        assert "20,000" in await page.locator(".verdict").inner_text()
        assert "8 more" in await page.locator("figure").first.inner_text()


def test_a_run_without_samples_has_its_results_alone() -> None:
    info = msgspec.structs.replace(INFO, summary=[row for row in SUMMARY if row.met is None])
    page = render(Run(info, (), MARKS))
    assert "14,873,210" in page
    assert "<figure" not in page
