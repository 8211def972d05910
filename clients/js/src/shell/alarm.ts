/**
 * One timer for a deadline by a clock of ours. Browsers hold timers of background tabs back, for a minute and more, and
 * all of them while a page is frozen, so it says how late it is.
 */

import type { Clock } from "./clock.js";

/** A longer timer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Alarm {
  readonly #now: Clock;
  readonly #ring: (lateMs: number) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = Infinity;

  constructor(now: Clock, ring: (lateMs: number) => void) {
    this.#now = now;
    this.#ring = ring;
  }

  /** Ring at this time instead of another one; Infinity turns it off. */
  set(at: number): void {
    if (at === this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    if (at === Infinity) return;
    const waitMs = Math.min(Math.max(Math.ceil(at - this.#now()), 0), TIMER_MS_MAX);
    this.#timer = setTimeout(() => {
      this.#at = Infinity;
      this.#ring(this.#now() - at);
    }, waitMs);
  }
}
