/**
 * A clock that never goes back, and that goes on while the computer sleeps.
 *
 * `performance.now()` alone stands still during a sleep in some browsers, and the time of day alone jumps when it is
 * set. So a jump of the latter counts as time that has passed: if somebody has only set the clock, a connection is
 * checked once more than necessary.
 */

export type Clock = () => number;

/** The time of day follows the even clock closely, so anything more is a sleep. */
const JUMP_MS_MIN = 1_000;

export function createClock(): Clock {
  let sleptMs = 0;
  let difference = Date.now() - performance.now();
  return () => {
    const even = performance.now();
    const jumpMs = Date.now() - even - difference;
    if (jumpMs > JUMP_MS_MIN) sleptMs += jumpMs;
    difference += jumpMs;
    return even + sleptMs;
  };
}
