/**
 * A clock that never goes back, and that goes on while the computer sleeps.
 *
 * `performance.now()` alone stands still during a sleep in some browsers, and the time of day alone jumps when it is
 * set. So a jump of the latter counts as time that has passed: if somebody has only set the clock, a connection is
 * checked once more than necessary.
 */

/** With `isOpen`, a connection has been open all the time: a sleep that it would not have survived does not count. */
export type Clock = (isOpen?: boolean) => number;

/** The time of day follows the even clock closely, so anything more is a sleep. */
const JUMP_MS_MIN = 1_000;
/** Servers end a connection that is silent for longer. */
const SURVIVED_MS_MAX = 60_000;

export function createClock(): Clock {
  let sleptMs = 0;
  let survivedMs = 0;
  let difference = Date.now() - performance.now();
  return (isOpen) => {
    const even = performance.now();
    const jumpMs = Date.now() - even - difference;
    if (jumpMs > JUMP_MS_MIN) sleptMs += jumpMs;
    if (jumpMs > JUMP_MS_MIN && jumpMs < SURVIVED_MS_MAX) survivedMs += jumpMs;
    difference += jumpMs;
    return even + (isOpen ? survivedMs : sleptMs);
  };
}
