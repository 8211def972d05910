// The charts of the last fifteen minutes, drawn by uPlot in the page's own colours.

import { compact, milliseconds, time } from "./format.js";

const HEIGHT_PX = 150;
const MINUTE_S = 60;
const DARK = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The indices of values without a neighbour: no line leads to them, so each is drawn as a point. */
export function isolated(values) {
  const has = (index) => values[index] !== null && values[index] !== undefined;
  return [...values.keys()].filter((index) => has(index) && !has(index - 1) && !has(index + 1));
}

/** A chart in `place`. `series` are `[label, colour, value of a point]`; the first one is filled if `filled`. */
class Chart {
  constructor(place, { series, show, filled = false }) {
    this.place = place;
    this.series = series;
    this.show = show;
    this.filled = filled;
    this.data = [[], ...series.map(() => [])];
    this.plot = undefined;
    new ResizeObserver(() => this.plot?.setSize({ width: place.clientWidth, height: HEIGHT_PX })).observe(place);
    DARK.addEventListener("change", () => this.#draw());
  }

  update(points) {
    this.data = [points.map((point) => point.at_ms / 1000), ...this.series.map(([, , value]) => points.map(value))];
    if (this.plot) this.plot.setData(this.data);
    else this.#draw();
  }

  #said(value) {
    return value === null || value === undefined ? "–" : this.show(value);
  }

  #draw() {
    this.plot?.destroy();
    const show = (_, values) => values.map((value) => (value === null ? "" : this.show(value)));
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const options = {
      width: this.place.clientWidth,
      height: HEIGHT_PX,
      cursor: { y: false, points: { size: 6 } },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [
        { ...axis, size: 26, space: 56, values: "{HH}:{mm}", incrs: [1, 2, 5, 15, 60].map((each) => each * MINUTE_S) },
        { ...axis, size: 58, values: show },
      ],
      series: [
        { label: "at", value: (_, atS) => (atS === null || atS === undefined ? "now" : time(1000 * atS)) },
        ...this.series.map(([label, name], index) => ({
          label,
          stroke: colour(name),
          fill: this.filled && index === 0 ? `${colour(name)}22` : undefined,
          width: 2,
          points: { show: false, size: 4, fill: colour(name), filter: (plot, at) => isolated(plot.data[at]) },
          value: (_, value, __, at) => this.#said(at === null || at === undefined ? this.data[index + 1].at(-1) : value),
        })),
      ],
    };
    this.plot = new uPlot(options, this.data, this.place);
  }
}

/** All charts; returns the function that shows a history. */
export function makeCharts() {
  const place = (name) => document.getElementById(`chart-${name}`);
  const charts = [
    new Chart(place("deliveries"), {
      series: [["deliveries/s", "accent", (point) => point.deliveries_per_s]],
      show: compact,
      filled: true,
    }),
    new Chart(place("latency"), {
      series: [
        ["p50", "accent", (point) => point.latency_ms_p50],
        ["p90", "second", (point) => point.latency_ms_p90],
        ["p99", "bad", (point) => point.latency_ms_p99],
      ],
      show: milliseconds,
    }),
    new Chart(place("connections"), {
      series: [
        ["connections", "accent", (point) => point.connections],
        ["lagging", "warn", (point) => point.lagging],
      ],
      show: compact,
      filled: true,
    }),
  ];
  return (history) => charts.forEach((chart) => chart.update(history));
}
