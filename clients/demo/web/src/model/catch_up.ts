/** What a client had to catch up on after it was away or slow. Pure: the caller passes the time. */

export interface CatchUp {
  readonly events: number;
  readonly ms: number;
}

export class CatchUpCounter {
  #sinceMs: number | null = null;
  #lastMs = 0;
  #events = 0;

  /** The network is good again, from now on. */
  begin(nowMs: number): void {
    this.#sinceMs = this.#lastMs = nowMs;
    this.#events = 0;
  }

  /** An event that had happened `ageMs` ago. */
  take(ageMs: number, nowMs: number): void {
    if (this.#sinceMs === null || nowMs - ageMs >= this.#sinceMs) return;
    this.#events += 1;
    this.#lastMs = nowMs;
  }

  /** What was caught up on, once nothing old has arrived for `quietMs`; null before that, and if there was nothing. */
  end(nowMs: number, quietMs: number): CatchUp | null {
    if (this.#sinceMs === null || nowMs - this.#lastMs < quietMs) return null;
    const caughtUp = { events: this.#events, ms: this.#lastMs - this.#sinceMs };
    this.#sinceMs = null;
    return caughtUp.events > 0 ? caughtUp : null;
  }
}
