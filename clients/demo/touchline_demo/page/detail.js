/** The open match: its events as sentences, newest first, and where on the pitch the latest of them happened. */

import { byId, element, setText, svgElement } from "./dom.js";
import { momentOf, sentenceOf } from "./sentences.js";

const ROWS_MAX = 120; // more would not help a reader, and each costs the browser a layout
const MARKS_MAX = 14;
const LENGTH = 120; // of the pitch, in StatsBomb's coordinates; the acting team always plays to the right
const WIDTH = 80;

export class Detail {
  #list = byId("list");
  #pitch = byId("pitch");
  #marks = svgElement("g", {});
  #card = null;
  #all = []; // newest last
  #moments = [];
  #isDrawn = true;

  constructor() {
    drawPitch(this.#pitch);
    this.#pitch.append(this.#marks);
    byId("key-only").addEventListener("change", () => this.#drawSoon());
  }

  open(card) {
    this.#card = card;
    this.clear();
  }

  clear() {
    this.#all = [];
    this.#moments = [];
    this.#drawSoon();
  }

  add(event) {
    if (event.data === null || typeof event.data !== "object") return;
    const entry = { offset: event.offset, data: event.data, moment: momentOf(event.data), row: null };
    keep(this.#all, entry);
    if (entry.moment) keep(this.#moments, entry);
    this.#drawSoon();
  }

  showScore() {
    if (this.#card) setText(byId("detail-heading"), this.#card.scoreLine());
  }

  /** At most once per frame, however many events arrive in it. */
  #drawSoon() {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    requestAnimationFrame(() => {
      this.#isDrawn = true;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#card) return;
    this.showScore();
    const entries = byId("key-only").checked ? this.#moments : this.#all;
    const rows = entries.map((entry) => (entry.row ??= this.#row(entry)));
    const shown = this.#list;
    // Add only new rows and remove only old ones: rows that stay are not touched, so the reader keeps their place.
    const wanted = new Set(rows);
    for (const row of [...shown.children]) if (!wanted.has(row)) row.remove();
    let below = null;
    for (const row of rows) {
      if (row.nextSibling !== below || row.parentNode !== shown) shown.insertBefore(row, below);
      below = row;
    }
    this.#drawMarks();
  }

  #row({ data, moment }) {
    const { who, what } = sentenceOf(data);
    const side = data.team?.name === this.#card.teams.home ? "home" : "away";
    const minute = Number.isInteger(data.minute) ? `${data.minute}'` : "";
    const symbol = element("span", moment ? `symbol ${moment}-symbol` : "symbol");
    const words = element("span", "words", element("b", "", who), who ? ": " : "", what);
    const row = element("li", "", element("span", "minute", minute), symbol, words);
    row.dataset.moment = moment;
    row.style.setProperty("--hue", this.#card.hues()[side]);
    return row;
  }

  #drawMarks() {
    const placed = this.#all.filter(({ data }) => isPlace(data.location)).slice(-MARKS_MAX);
    this.#marks.replaceChildren(...placed.map((entry, at) => this.#mark(entry, (at + 1) / placed.length)));
  }

  #mark({ data, moment }, newness) {
    const isHome = data.team?.name === this.#card.teams.home;
    const [x, y] = data.location;
    const mark = svgElement("circle", {
      cx: isHome ? x : LENGTH - x,
      cy: isHome ? y : WIDTH - y,
      r: moment === "goal" ? 3.4 : 1 + 1.2 * newness,
      opacity: 0.15 + 0.85 * newness ** 2,
    });
    mark.style.setProperty("--hue", this.#card.hues()[isHome ? "home" : "away"]);
    return mark;
  }
}

const isPlace = (location) => Array.isArray(location) && location.length > 1 && location.every(Number.isFinite);

function keep(entries, entry) {
  entries.push(entry);
  if (entries.length > ROWS_MAX) entries.shift();
}

function drawPitch(svg) {
  const box = (x, y, width, height) => svgElement("rect", { x, y, width, height });
  svg.append(
    box(0, 0, LENGTH, WIDTH),
    svgElement("line", { x1: 60, y1: 0, x2: 60, y2: WIDTH }),
    svgElement("circle", { cx: 60, cy: 40, r: 10, class: "line" }),
    box(0, 18, 18, 44),
    box(102, 18, 18, 44),
    box(0, 30, 6, 20),
    box(114, 30, 6, 20),
  );
}
