/**
 * When to replace a token, so that the connection outlives it.
 *
 * The server reports when a token ends by its own clock, and reports that clock too: the client's may be wrong by hours.
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
  #clockDifferenceMs = 0;
  #expires = Infinity;

  /** `canRenew`: the client can get a newer token. */
  constructor(canRenew: boolean) {
    this.canRenew = canRenew;
  }

  /** A connection begins, with or without a token that ends. */
  begin(serverTime: number, expires: number | null, now: number): void {
    this.#clockDifferenceMs = now - serverTime;
    this.extend(expires, now);
  }

  /** A token is in force until `expires` by the server's clock. */
  extend(expires: number | null, now: number): void {
    this.#expires = expires === null ? Infinity : expires + this.#clockDifferenceMs;
    this.#plan(now);
  }

  /** The client sent a newer token under this id; null if it could not get one. */
  requested(requestId: number | null, now: number): void {
    this.requestId = requestId;
    this.#plan(now);
  }

  /** The connection is gone. */
  end(): void {
    this.#expires = this.deadline = Infinity;
    this.requestId = null;
    this.isDue = false;
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    this.deadline = Infinity;
    this.isDue = true;
  }

  #plan(now: number): void {
    this.isDue = false;
    this.deadline = Infinity;
    if (this.#expires === Infinity || !this.canRenew) return;
    const leftMs = this.#expires - now;
    const leadMs = Math.max(leftMs * LEFT_SHARE, Math.min(LEAD_MS, leftMs / 2));
    const dueAt = now + Math.max(INTERVAL_MS_MIN, leftMs - leadMs);
    if (dueAt < this.#expires) this.deadline = dueAt;
  }
}
