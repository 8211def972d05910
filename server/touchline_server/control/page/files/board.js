// The board: everything that one status has, shown in tables, tiles and charts.

import { attention, isBehind, isUnkept, percent, Restarts, stateOf } from "./attention.js";
import { makeCharts } from "./charts.js";
import { drainDialog, kickDialog } from "./dialogs.js";
import { bytes, compact, count, milliseconds, seconds, time } from "./format.js";
import { watchRoom } from "./room.js";
import { element, Table } from "./tables.js";

const perSecond = (events) => `${compact(events)} ${compact(events) === "1" ? "event" : "events"}/s`;
const part = (id) => document.querySelector(`#${id} table`);
const NUMBER = "number";
/** Cells that a narrow screen does without. */
const WIDE = "wide";
const NUMBER_WIDE = "number wide";
/** Cells that take what the others leave, so that buttons beside a long name stay on the screen. */
const FILL = "fill";

/** Makes the board; returns the function that shows a status. */
export function makeBoard() {
  const charts = makeCharts();
  const restarts = new Restarts();
  const tables = { workers: workers(), partitions: partitions(), slow: slowClients(), rooms: rooms(), closes: closes() };
  return (status) => {
    restarts.take(status);
    showAttention(attention(status, restarts));
    showTiles(status);
    charts(status.history);
    tables.workers.alone = status.workers.length < 2;
    tables.workers.show([...status.workers].sort(byName));
    tables.partitions.show([...status.partitions].sort(byTrouble));
    tables.slow.show(status.slow_clients);
    tables.rooms.most = Math.max(1, ...status.rooms.map((one) => one.clients));
    tables.rooms.nowMs = status.at_ms;
    tables.rooms.show(status.rooms);
    tables.closes.show(status.closes);
    showCodes(status.closes_by_code);
  };
}

const byName = (one, other) => one.worker.localeCompare(other.worker, "en", { numeric: true });
const byTrouble = (one, other) => isBehind(other) - isBehind(one) || other.lag - one.lag;

/** Says that the server does not answer, in place of what needed attention before. */
export function showSilence(since) {
  showAttention([{ tone: "bad", where: "", text: `No answer from the server: everything below is as of ${since}` }]);
}

function showAttention(found) {
  const lines = found.map(({ tone, where, text }) => {
    const said = where ? element("a", { href: `#${where}`, textContent: text }) : text;
    return element("li", { className: tone }, said);
  });
  const list = document.getElementById("attention");
  const calm = element("li", { className: "good", textContent: "Nothing needs attention" });
  list.replaceChildren(...(lines.length > 0 ? lines : [calm]));
}

function showTiles(status) {
  const last = status.history.at(-1);
  const up = status.workers.filter((worker) => worker.up).length;
  const lag = Math.max(0, ...status.partitions.map((one) => one.lag));
  const behind = status.slow_clients.length > 0 ? `slowest for ${seconds(status.slow_clients[0].behind_s)}` : "all are live";
  const tiles = [
    ["Connections", compact(status.connections), `of ${compact(status.connections_max)}`, ""],
    ["Deliveries/s", compact(status.deliveries_per_s), `${perSecond(last?.records_per_s ?? 0)} read`, ""],
    ["Latency p99", milliseconds(last?.latency_ms_p99), `median ${milliseconds(last?.latency_ms_p50)}`, ""],
    ["Slow clients", compact(status.lagging), behind, status.lagging > 0 ? "warn" : ""],
    ["Log lag", compact(lag), "offsets, at most", status.partitions.some(isBehind) ? "bad" : ""],
    ["Workers", `${up} of ${status.workers.length}`, up < status.workers.length ? "the others are down" : "all serve", up < status.workers.length ? "bad" : ""],
  ];
  document.getElementById("tiles").replaceChildren(
    ...tiles.map(([title, value, more, tone]) =>
      element("div", { className: `card tile ${tone}` },
        element("dt", { textContent: title }), element("dd", { textContent: value }), element("dd", { className: "more", textContent: more }),
      ),
    ),
  );
}

function showCodes(byCode) {
  const most = Object.entries(byCode).sort(([, one], [, other]) => other - one);
  document.getElementById("codes").replaceChildren(
    ...most.map(([code, closes]) => element("li", {}, `${code.replace("/", ": ")} `, element("b", { textContent: compact(closes) }))),
  );
}

function workers() {
  const table = new Table(part("workers"), {
    key: (row) => row.worker,
    empty: "No worker has answered yet",
    tone: (row) => ({ down: "bad", draining: "warn" })[stateOf(row)] ?? "",
    columns: [
      { title: "Worker", text: (row) => row.worker },
      { title: "State", name: "state", text: (row) => stateOf(row) + (row.starts > 1 ? `, start ${row.starts}` : "") },
      { title: "Clients", name: NUMBER, text: (row) => count(row.connections) },
      { title: "Slow", name: NUMBER_WIDE, text: (row) => count(row.lagging) },
      { title: "Deliv./s", name: NUMBER_WIDE, text: (row) => compact(row.deliveries_per_s) },
      { title: "CPU", name: "number bar", text: (row) => percent(row.cpu), share: (row) => row.cpu },
      { title: "Memory", name: NUMBER_WIDE, text: (row) => bytes(row.memory_bytes) },
      { title: "", name: "do", button: (row) => (row.up && !row.draining && !table.alone ? "Drain" : ""), press: (row) => drainDialog(row.worker) },
    ],
  });
  return table;
}

function partitions() {
  return new Table(part("partitions"), {
    key: (row) => `${row.topic}/${row.partition}`,
    empty: "An embedded log has no partitions to fall behind on",
    tone: (row) => (isBehind(row) ? "bad" : isUnkept(row) ? "warn" : ""),
    columns: [
      { title: "Topic", text: (row) => row.topic },
      { title: "Part.", name: NUMBER, text: (row) => String(row.partition) },
      { title: "Lag", name: NUMBER, text: (row) => compact(row.lag) },
      { title: "Answer", name: NUMBER, hint: () => "When Kafka last answered about it", text: (row) => `${seconds(row.answer_age_s)} ago` },
      { title: "Keepers", name: NUMBER, hint: () => "How far keepers are behind this server, in offsets", text: (row) => (row.kept_lag === null ? "–" : compact(row.kept_lag)) },
    ],
  });
}

function slowClients() {
  return new Table(part("slow"), {
    key: (row) => `${row.worker}#${row.connection}`,
    empty: "No client is behind",
    tone: () => "warn",
    columns: [
      { title: "Client", name: FILL, text: (row) => row.player ?? row.address ?? `connection ${row.connection}`, hint: where },
      { title: "Behind for", name: NUMBER, text: (row) => seconds(row.behind_s) },
      { title: "Offsets", name: NUMBER_WIDE, text: (row) => compact(row.behind_offsets) },
      { title: "Room", name: WIDE, text: (row) => row.room ?? "–", hint: (row) => row.room ?? "" },
      { title: "Unsent", name: NUMBER_WIDE, text: (row) => bytes(row.unsent_bytes) },
      { title: "Worker", name: WIDE, text: (row) => row.worker },
      { title: "", name: "do", button: (row) => (row.player ? "Kick" : ""), press: (row) => kickDialog(row.player) },
    ],
  });
}

const where = (row) => `${row.player === null ? "" : `${row.player}: `}connection ${row.connection} of ${row.worker}, from ${row.address ?? "an unknown address"}`;

function rooms() {
  const table = new Table(part("rooms"), {
    key: (row) => row.room,
    empty: "Nobody is in a room",
    columns: [
      { title: "Room", name: FILL, text: (row) => row.room, hint: (row) => row.room },
      { title: "Clients", name: "number bar", text: (row) => count(row.clients), share: (row) => row.clients / table.most },
      { title: "Last event", name: NUMBER, text: (row) => (row.newest_ms ? `${seconds(Math.max(0, table.nowMs - row.newest_ms) / 1000)} ago` : "none") },
      { title: "", name: "do", button: () => "Watch", press: (row) => watchRoom(row.room) },
    ],
  });
  return table;
}

function closes() {
  return new Table(part("closes"), {
    key: (row) => `${row.worker}#${row.connection}@${row.at_ms}`,
    empty: "No connection has ended yet",
    tone: (row) => (row.by === "server" && row.code !== "going_away" ? "warn" : ""),
    columns: [
      { title: "At", text: (row) => time(row.at_ms) },
      { title: "Code", text: (row) => row.code },
      { title: "By", name: WIDE, text: (row) => row.by },
      { title: "Client", name: FILL, text: (row) => row.player ?? row.address ?? "–", hint: where },
      { title: "Worker", name: WIDE, text: (row) => row.worker },
      { title: "", name: "do", button: (row) => (row.player ? "Kick" : ""), press: (row) => kickDialog(row.player) },
    ],
  });
}
