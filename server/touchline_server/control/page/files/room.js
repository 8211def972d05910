// Watches a room: its state, once a second, in a dialog. It is read from the control port and not from the stream of
// the edge's port: that one is another origin, and would need a player's token.

import * as api from "./api.js";
import { compact, seconds } from "./format.js";
import { element, Table } from "./tables.js";

const EVERY_MS = 1000;
const ROWS_MAX = 200;
const VALUE_CHARS_MAX = 300;

const dialog = document.getElementById("room");
const problem = dialog.querySelector(".problem");
let watched;

const table = new Table(dialog.querySelector("table"), {
  key: (row) => row.key,
  empty: "The room has no state: only events with a key are in it",
  tone: (row) => (row.fresh ? "fresh" : ""),
  columns: [
    { title: "Key", text: (row) => row.key },
    { title: "Newest value", name: "value", text: (row) => row.shown },
    { title: "Age", name: "number", text: (row) => seconds(Math.max(0, Date.now() - row.ts) / 1000) },
  ],
});

dialog.addEventListener("close", () => {
  clearTimeout(watched?.timer);
  watched = undefined;
});

/** Watch a room until the dialog is closed. */
export function watchRoom(name) {
  document.getElementById("room-name").textContent = name;
  document.getElementById("room-facts").replaceChildren();
  problem.textContent = "";
  table.show([]);
  watched = { name, head: undefined, readMs: 0, timer: undefined };
  if (!dialog.open) dialog.showModal();
  read(watched);
}

async function read(watch) {
  try {
    const state = await api.room(watch.name);
    if (watch === watched) show(watch, state);
  } catch (error) {
    if (watch === watched) problem.textContent = error.message;
  }
  if (watch === watched) watch.timer = setTimeout(() => read(watch), EVERY_MS);
}

function show(watch, state) {
  problem.textContent = "";
  const before = watch.head;
  const rows = [...state.state].sort((one, other) => other.offset - one.offset).slice(0, ROWS_MAX);
  table.show(rows.map((row) => ({ ...row, shown: brief(row.data), fresh: before !== undefined && row.offset > before })));
  watch.head = state.head;
  const facts = [
    ["Viewers", compact(state.viewers) + (state.viewers_complete ? "" : " or more")],
    ["Position", `${state.epoch}.${state.head}`],
    ["Keys", compact(state.state.length) + (state.state_complete ? "" : ", some may be missing")],
  ];
  document.getElementById("room-facts").replaceChildren(
    ...facts.map(([title, value]) => element("div", {}, element("dt", { textContent: title }), element("dd", { textContent: value }))),
  );
}

function brief(data) {
  const text = JSON.stringify(data);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}
