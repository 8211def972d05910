/* Draws the charts of a run with Plotly, in the colours of the style sheet, light or dark as the reader's system is.
 *
 * The page has the data and Plotly itself, compressed. With #png in its address it draws no charts, but leaves an image
 * of each in an element, for report/images.py. Texts of a run are never markup: all of them go through plain(). */
"use strict";

const run = JSON.parse(document.getElementById("data").textContent);
const IMAGE = { width: 1200, title: 44, scale: 2 };
const NARROW_PX = 520;
const LETTER_PX = 6.6;
const COLOURS = 10;
const MARGIN = { l: 62, r: 14, t: 8, b: 46 };
const ROW_PX = { legend: 20, marks: 15 };
/* A legend's font, and what Plotly adds to the text of an entry: its line, and the space around. */
const LEGEND = { font: 12, gap: 46 };
const pen = document.createElement("canvas").getContext("2d");
const VALUE_PX = 74;
const HEIGHT_PX = { wide: 350, usual: 280 };

/* Plotly reads a few tags and entities in every text. */
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function colour(name) {
  const number = /^series-(\d+)$/.exec(name);
  return style(number ? `series-${Number(number[1]) % COLOURS}` : name);
}

/* Cut into lines of about that many letters, for names beside bars. */
function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (longer.length <= letters || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map(plain).join("<br>");
}

function amount(value, unit) {
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
  return unit === "/s" ? `${digits}/s` : `${digits} ${unit}`.trim();
}

function lineTraces(chart) {
  /* A template has no meaning in a unit: percent signs and braces are only text. */
  const unit = plain(amount(0, chart.unit).slice(1)).replace(/[%{]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return chart.lines.map((line) => ({
    type: "scatter",
    mode: line.x.length < 40 ? "lines+markers" : "lines",
    marker: { size: 4 },
    name: plain(line.name),
    x: line.x,
    y: line.y,
    line: { color: colour(line.colour), width: 1.8, dash: line.colour === "max" ? "dot" : "solid" },
    hovertemplate: `%{y:,.4~r}${unit}`,
  }));
}

function barTraces(chart, letters) {
  return chart.lines.map((line) => ({
    type: "bar",
    orientation: "h",
    name: plain(line.name),
    y: line.x.map((name) => wrapped(name, letters)),
    x: line.y,
    marker: { color: colour(line.colour) },
    text: line.y.map((value) => plain(amount(value, chart.unit))),
    textposition: "outside",
    cliponaxis: false,
    hoverinfo: "none",
    width: 0.68,
  }));
}

/* The legend is laid out in columns of one width, so that its height is known before it is drawn. */
function legend(chart, width) {
  if (chart.form === "bars" || chart.lines.length < 2) return { rows: 0, entry: 0 };
  pen.font = `${LEGEND.font}px ${getComputedStyle(document.body).fontFamily}`;
  const entry = Math.ceil(Math.max(...chart.lines.map((line) => pen.measureText(line.name).width))) + 2;
  const columns = Math.max(1, Math.floor((width - MARGIN.l - MARGIN.r) / (entry + LEGEND.gap)));
  return { rows: Math.ceil(chart.lines.length / columns), entry };
}

const markRows = () => new Set(run.marks.map((mark) => mark.fault)).size;

/* Phases are bands with their names above, faults red bands or lines with their numbers, where there is room. */
function marks(width) {
  const shapes = [];
  const annotations = [];
  const perUnit = (width - MARGIN.l - MARGIN.r) / (run.end || 1);
  let freeFrom = -Infinity;
  run.marks.forEach((mark) => {
    const end = mark.end;
    const lasts = end > mark.at;
    const fill = mark.fault ? style("fault-back") : style("phase");
    /* Every second phase is shaded, so that neighbours can be told apart. */
    const shaded = mark.fault || run.marks.filter((each) => !each.fault).indexOf(mark) % 2 === 0;
    shapes.push({
      type: lasts ? "rect" : "line", xref: "x", yref: "paper", x0: mark.at, x1: end, y0: 0, y1: 1, layer: "below",
      fillcolor: shaded ? fill : "rgba(0,0,0,0)",
      line: lasts ? { width: 0 } : { color: style("fault"), width: 1.2, dash: "dash" },
    });
    const middle = (mark.at + end) / 2;
    const common = { x: middle, xref: "x", yref: "paper", y: 1, yanchor: "bottom", showarrow: false, borderpad: 0 };
    if (mark.fault && (middle - freeFrom) * perUnit > 0) {
      const text = String(mark.number);
      annotations.push({ ...common, text: `<b>${text}</b>`, font: { size: 11, color: style("fault") } });
      freeFrom = middle + (text.length * LETTER_PX + 8) / perUnit;
    } else if (!mark.fault && mark.text.length * LETTER_PX + 10 < (end - mark.at) * perUnit) {
      const yshift = ROW_PX.marks * (markRows() - 1);
      annotations.push({ ...common, yshift, text: plain(mark.text), font: { size: 11, color: style("quiet") } });
    }
  });
  return { shapes, annotations };
}

function commonLayout() {
  const quiet = style("quiet");
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: quiet };
  return {
    margin: { ...MARGIN },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    hoverlabel: { bgcolor: style("card"), bordercolor: style("rule"), font: { ...font, color: style("text") } },
    legend: {
      orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { ...font, color: style("text") },
    },
  };
}

/* The y axis: from 0, or logarithmic with whole numbers at its ticks. */
function scale(chart) {
  const values = chart.lines.flatMap((line) => line.y).filter((value) => value !== null);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (!chart.log) {
    /* Thousands are k; small numbers are as they are, not thousandths with an m. */
    const tickformat = most < 1000 ? ",~g" : "~s";
    return least < 0 ? { tickformat } : { range: [0, most * 1.08 || 1], tickformat, nticks: 6 };
  }
  const [low, high] = [least / 1.25, most * 1.25];
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  const tickvals = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    tickvals.push(...steps.map((step) => step * 10 ** power).filter((value) => value >= low && value <= high));
  }
  const ticktext = tickvals.map((value) => new Intl.NumberFormat("en", { maximumSignificantDigits: 1 }).format(value));
  return { type: "log", range: [Math.log10(low), Math.log10(high)], tickmode: "array", tickvals, ticktext };
}

function lineLayout(chart, width) {
  const axis = { zeroline: false, gridcolor: style("grid"), linecolor: style("rule") };
  const title = (text) => ({ text: plain(text), standoff: 8, font: { size: 12 } });
  const unit = /\((\w+)\)$/.exec(chart.x_title)[1];
  const { rows, entry } = legend(chart, width);
  const layout = commonLayout();
  return {
    ...layout,
    ...marks(width),
    legend: { ...layout.legend, entrywidth: entry, entrywidthmode: "pixels" },
    margin: { ...MARGIN, t: MARGIN.t + markRows() * ROW_PX.marks, b: MARGIN.b + rows * ROW_PX.legend },
    xaxis: {
      ...axis, title: title(chart.x_title), showgrid: false, range: [0, run.end || 1], showline: true, ticks: "outside",
      tickcolor: style("rule"), ticklen: 4, spikethickness: 1, spikedash: "solid", spikecolor: style("quiet"), unifiedhovertitle: { text: `%{x:,.3~f} ${unit}` },
    },
    yaxis: { ...axis, title: title(chart.y_title), fixedrange: true, automargin: true, ...scale(chart) },
    hovermode: "x unified",
    showlegend: rows > 0,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
}

function barLayout(chart, width) {
  const layout = commonLayout();
  /* The bound itself is always in sight. */
  const most = Math.max(...chart.lines.flatMap((line) => line.y), chart.id === "bounds" ? 100 : 0);
  /* The longest bar leaves room for its number. */
  const inner = Math.max(150, width * 0.62);
  const room = inner / (inner - VALUE_PX);
  const bound = {
    type: "line", xref: "x", yref: "paper", x0: 100, x1: 100, y0: 0, y1: 1, line: { color: style("text"), width: 1.2, dash: "dash" },
  };
  return {
    ...layout,
    margin: { ...MARGIN, l: 10 },
    barmode: "overlay",
    shapes: chart.id === "bounds" ? [bound] : [],
    xaxis: {
      title: { text: plain(chart.x_title), standoff: 8, font: { size: 12 } }, gridcolor: style("grid"), zeroline: false, fixedrange: true,
      range: [0, most * room || 1], tickformat: most < 1000 ? ",~g" : "~s", nticks: 6,
    },
    yaxis: {
      type: "category", autorange: "reversed", automargin: true, fixedrange: true, showgrid: false,
      tickfont: { color: style("text") }, ticks: "outside", ticklen: 6, tickcolor: "rgba(0,0,0,0)",
    },
    dragmode: false,
    showlegend: false,
  };
}

function figure(chart, width) {
  if (chart.form === "bars") {
    const letters = Math.max(12, Math.floor((width * 0.36) / LETTER_PX));
    return { data: barTraces(chart, letters), layout: barLayout(chart, width) };
  }
  return { data: lineTraces(chart), layout: lineLayout(chart, width) };
}

function height(chart, width) {
  if (chart.form === "lines") {
    return (chart.wide ? HEIGHT_PX.wide : HEIGHT_PX.usual) + legend(chart, width).rows * ROW_PX.legend;
  }
  const bars = chart.lines.reduce((sum, line) => sum + line.x.length, 0);
  return bars * (width < NARROW_PX ? 44 : 30) + MARGIN.b + MARGIN.t;
}

let zooming = false;

/* Zooming into one chart zooms all: they have the same time. A double click shows all of it again. */
function zoomAll(change) {
  const range = change["xaxis.autorange"] ? [0, run.end || 1] : [change["xaxis.range[0]"], change["xaxis.range[1]"]];
  if (zooming || range[0] === undefined) return;
  zooming = true;
  const charts = run.charts.filter((chart) => chart.form === "lines");
  const drawn = charts.map((chart) => Plotly.relayout(`chart-${chart.id}`, { "xaxis.range": range }));
  Promise.all(drawn).finally(() => { zooming = false; });
}

function draw() {
  for (const chart of run.charts) {
    const element = document.getElementById(`chart-${chart.id}`);
    const width = element.clientWidth;
    const { data, layout } = figure(chart, width);
    const first = !element.classList.contains("js-plotly-plot");
    Plotly.react(element, data, { ...layout, width, height: height(chart, width) }, { displayModeBar: false });
    if (first && chart.form === "lines") element.on("plotly_relayout", zoomAll);
  }
}

async function image(chart) {
  const { data, layout } = figure(chart, IMAGE.width);
  const title = `<b>${plain(chart.title)}</b>  <span style="font-size:13px">${plain(run.title)}</span>`;
  Object.assign(layout, {
    title: { text: title, x: 0.012, xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 16 }, font: { size: 18, color: style("text") } },
    paper_bgcolor: style("card"),
    margin: { ...layout.margin, t: layout.margin.t + IMAGE.title, r: 24 },
  });
  const size = { width: IMAGE.width, height: height(chart, IMAGE.width) + IMAGE.title };
  return Plotly.toImage({ data, layout }, { format: "png", scale: IMAGE.scale, ...size });
}

async function leaveImages() {
  const images = {};
  for (const chart of run.charts) images[chart.id] = await image(chart);
  const element = document.createElement("script");
  element.type = "application/json";
  element.textContent = JSON.stringify(images);
  /* Nothing else is wanted of the page. */
  document.documentElement.replaceChildren(document.createElement("body"));
  document.body.append(element);
}

async function loadPlotly() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
}

async function main() {
  await loadPlotly();
  if (location.hash === "#png") {
    await leaveImages();
    return;
  }
  draw();
  let width = innerWidth;
  addEventListener("resize", () => {
    /* On phones the height changes whenever the address bar hides. */
    if (innerWidth !== width) requestAnimationFrame(draw);
    width = innerWidth;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.documentElement.dataset.drawn = "yes";
}

if (run.charts.length) {
  main().catch((error) => {
    const failure = document.getElementById("failure");
    failure.textContent = `The charts cannot be drawn (${error.message}). A browser of 2023 or later can draw them.`;
    failure.hidden = false;
  });
}
