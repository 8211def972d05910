/**
 * When to open the next connection, by exponential backoff with full jitter.
 *
 * Full jitter (any time from zero to the bound) spreads the clients of a failed server best: see "Exponential Backoff
 * And Jitter", AWS Architecture Blog, 2015.
 */

import type { Backoff } from "../types.js";

/** No more than 100 attempts a second, whatever the backoff is. */
const DELAY_MS_MIN = 10;
/** A connection that lasted this long was a success: the next wait is a short one again. */
const STABLE_MS = 5_000;
/** The longest that the server is obeyed. No drain takes longer, and a mistake must not keep clients away for days. */
const OBEYED_MS_MAX = 300_000;

export class Reconnect {
  /** When to connect; Infinity while the page is suspended. */
  at = 0;
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #attempts = 0;
  #isAsked = false; // the server asked for that time: coming earlier would do harm
  #welcomedAt: number | null = null;

  /** `random` returns numbers from 0 to 1. */
  constructor(backoff: Backoff, random: () => number) {
    this.#backoff = backoff;
    this.#random = random;
  }

  /** How long this attempt waits. */
  delayMs(attempt: number): number {
    const { baseMs = 500, maxMs = 30_000 } = this.#backoff;
    return Math.max(DELAY_MS_MIN, Math.min(maxMs, baseMs * 2 ** attempt) * this.#random());
  }

  welcomed(now: number): void {
    this.#welcomedAt = now;
  }

  /** The connection is over. */
  ended(now: number): void {
    if (this.#welcomedAt !== null && now - this.#welcomedAt >= STABLE_MS) this.#attempts = 0;
    this.#welcomedAt = null;
  }

  /** Connect after a wait, which grows with each attempt. */
  schedule(now: number): void {
    this.#isAsked = false;
    this.at = now + this.delayMs(this.#attempts++);
  }

  /** Connect when a goaway asks for it. */
  scheduleGoaway(now: number, reconnectMs: number): void {
    this.#isAsked = true;
    this.at = now + Math.min(reconnectMs, OBEYED_MS_MAX);
  }

  /** Connect at once: something has changed that makes success likely. A time that the server asked for still holds. */
  hasten(now: number): void {
    if (!this.#isAsked) this.at = Math.min(this.at, now);
  }

  /** Do not connect, until `resume`. */
  suspend(): void {
    this.#isAsked = false;
    this.at = Infinity;
  }
}
