/**
 * When to replace a token, so that the connection outlives it.
 *
 * Rules:
 *
 * 1. A newer token is due when a fifth of the token's time is left, and at least `LEAD_MS` before its end (for a very
 *    short life, half of it).
 * 2. Whatever comes of a request (no token, a refused one, one with the same end, no answer), the same rule applies to
 *    the time that is left, but at most once every `INTERVAL_MS_MIN`. After the end nothing is due: the server closes,
 *    and every new connection starts with a new token.
 */

/** The share of a token's time that is left when a newer one becomes due: enough for a few more attempts. */
const LEFT_SHARE = 0.2;
/** It takes a request or two to get a token. */
const LEAD_MS = 5_000;
/** Between two requests, so that a provider whose tokens never get newer is not called in a loop. */
const INTERVAL_MS_MIN = 1_000;

export class TokenRefresh {
  readonly canRenew: boolean;
  /** The shell should get a newer token now. */
  isDue = false;
  /** The id of the last refresh. */
  requestId: number | null = null;
  /** When to call `tick`. */
  deadline: number = Infinity;
  #expires = Infinity;

  /** `canRenew`: the client can get a newer token. */
  constructor(canRenew: boolean) {
    this.canRenew = canRenew;
  }

  /** A token is in force until `expires`; Infinity if it does not end, or there is none. */
  extend(expires: number, now: number): void {
    this.#expires = expires;
    this.#plan(now);
  }

  /** The client sent a newer token under this id; null if it could not get one. */
  requested(requestId: number | null, now: number): void {
    this.requestId = requestId;
    this.#plan(now);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    this.deadline = Infinity;
    this.isDue = true;
  }

  #plan(now: number): void {
    const leftMs = this.#expires - now;
    const waitMs = Math.min(leftMs * (1 - LEFT_SHARE), Math.max(leftMs - LEAD_MS, leftMs / 2));
    const dueAt = now + Math.max(waitMs, INTERVAL_MS_MIN);
    this.isDue = false;
    this.deadline = this.canRenew && dueAt < this.#expires ? dueAt : Infinity;
  }
}
