/**
 * How long events took from the log to this page, over the last minute. Pure: the caller passes the time.
 *
 * A column is the slowest event of one second: an average would hide what a fan notices.
 */

export const COLUMNS = 60;
const NEWEST_MAX = 50;

export class LatencyLog {
  #columns = new Map<number, number>();
  #newest: number[] = [];

  add(ms: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    this.#columns.set(second, Math.max(ms, this.#columns.get(second) ?? 0));
    this.#newest.push(ms);
    if (this.#newest.length > NEWEST_MAX) this.#newest.shift();
    if (this.#columns.size > 2 * COLUMNS) this.#forget(second - COLUMNS);
  }

  /** The slowest event of each of the last seconds, oldest first; null for a second without events. */
  columns(nowMs: number): (number | null)[] {
    const last = Math.floor(nowMs / 1000);
    return Array.from({ length: COLUMNS }, (_, at) => this.#columns.get(last - COLUMNS + 1 + at) ?? null);
  }

  /** The median of the newest events; null before the first. */
  get medianMs(): number | null {
    const sorted = [...this.#newest].sort((one, other) => one - other);
    return sorted[sorted.length >> 1] ?? null;
  }

  #forget(before: number): void {
    for (const second of this.#columns.keys()) if (second < before) this.#columns.delete(second);
  }
}

const MS_MAX = 10_000;

/** The height of a column, from 0 to 1. The scale is logarithmic: 5 ms and 5 s must both be seen. */
export const heightOf = (ms: number): number => Math.min(1, Math.log10(Math.max(ms, 1) + 1) / Math.log10(MS_MAX));

/** A duration in words, with as many digits as matter. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
