// Decides what an operator should look at, from one status and what was seen before. Pure.

import { compact, count, seconds } from "./format.js";

/** Offsets of a partition that were not read yet: fewer are in flight on a busy server. */
export const LAG_OFFSETS = 1000;
/** A partition's leader answers about every half second, also when there is nothing new. */
export const ANSWER_AGE_S = 2.5;
/** How long a restart stays in the list. */
const RESTART_SHOWN_MS = 5 * 60_000;
/** Workers are at their limit well before a whole core: the rest is for bursts. */
export const CPU_BUSY = 0.85;

export const isBehind = (partition) => partition.lag >= LAG_OFFSETS || partition.answer_age_s >= ANSWER_AGE_S;
export const isUnkept = (partition) => (partition.kept_lag ?? 0) >= LAG_OFFSETS;
export const stateOf = (worker) => (!worker.up ? "down" : worker.draining ? "draining" : "serving");

/** Notices when workers were started again. */
export class Restarts {
  constructor() {
    this.starts = new Map();
    this.seenMs = new Map();
  }

  take({ at_ms, workers }) {
    for (const { worker, starts } of workers) {
      if (starts > (this.starts.get(worker) ?? starts)) this.seenMs.set(worker, at_ms);
      this.starts.set(worker, starts);
    }
  }

  recent(nowMs) {
    return [...this.seenMs].filter(([, atMs]) => nowMs - atMs < RESTART_SHOWN_MS);
  }
}

/** What is wrong, as `{tone, where, text}`: `tone` is bad or warn, `where` the id of a part of the page, or "". */
export function attention(status, restarts) {
  const found = [];
  const add = (tone, where, text) => found.push({ tone, where, text });
  for (const worker of status.workers) {
    if (!worker.up) add("bad", "workers", `Worker ${worker.worker} is down`);
    else if (worker.cpu >= CPU_BUSY) add("warn", "workers", `Worker ${worker.worker} uses ${percent(worker.cpu)} of a core`);
  }
  for (const [part, why] of Object.entries(status.problems)) add("bad", "", `${part}: ${why}`);
  for (const [part, why] of Object.entries(status.degraded)) add("warn", "", `${part}: ${why}`);
  addPartitions(status.partitions, add);
  addClients(status, add);
  const up = new Set(status.workers.filter((one) => one.up).map((one) => one.worker));
  for (const [worker, atMs] of restarts.recent(status.at_ms)) {
    if (!up.has(worker)) continue;
    add("warn", "workers", `Worker ${worker} was replaced ${seconds((status.at_ms - atMs) / 1000)} ago`);
  }
  if (status.connections_max > 0 && status.connections >= 0.9 * status.connections_max) {
    add("warn", "", `${count(status.connections)} of at most ${count(status.connections_max)} connections`);
  }
  return found;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

function addPartitions(partitions, add) {
  const silent = partitions.filter((one) => one.answer_age_s >= ANSWER_AGE_S);
  const behind = partitions.filter((one) => one.lag >= LAG_OFFSETS);
  const unkept = partitions.filter(isUnkept);
  const named = (some) => some.slice(0, 3).map((one) => `${one.topic}/${one.partition}`).join(", ") + (some.length > 3 ? " …" : "");
  if (silent.length > 0) {
    const longest = Math.max(...silent.map((one) => one.answer_age_s));
    add("bad", "partitions", `No answer from Kafka for ${seconds(longest)}: ${named(silent)}`);
  }
  if (behind.length > 0) {
    add("bad", "partitions", `${compact(Math.max(...behind.map((one) => one.lag)))} offsets not read yet: ${named(behind)}`);
  }
  if (unkept.length > 0) {
    const most = Math.max(...unkept.map((one) => one.kept_lag));
    add("warn", "partitions", `Keepers are ${compact(most)} offsets behind: ${named(unkept)}`);
  }
}

function addClients({ lagging, slow_clients: slow }, add) {
  if (lagging === 0) return;
  const longest = slow.length > 0 ? `, the slowest for ${seconds(slow[0].behind_s)}` : "";
  add("warn", "slow", `${count(lagging)} ${lagging === 1 ? "client is" : "clients are"} behind${longest}`);
}
