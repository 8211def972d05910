/**
 * One timer for a deadline by a clock of ours. Browsers hold timers of background tabs back, for a minute and more, and
 * all of them while a page is frozen, so it says how late it is.
 */

import type { Clock } from "./clock.js";

/** A longer timer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Returns what sets the alarm: to ring at this time instead of another one. Infinity turns it off. */
export function createAlarm(now: Clock, ring: (lateMs: number) => void): (at: number) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let setAt = Infinity;
  return (at) => {
    if (at === setAt) return;
    clearTimeout(timer);
    setAt = at;
    if (at === Infinity) return;
    const waitMs = Math.min(Math.max(Math.ceil(at - now()), 0), TIMER_MS_MAX);
    timer = setTimeout(() => {
      setAt = Infinity;
      ring(now() - at);
    }, waitMs);
  };
}
