/**
 * The pace of a player's actions: some at once, then one per interval, so that the server has to refuse none.
 *
 * It counts like the server's token bucket, as the generic cell rate algorithm does (ITU-T I.371): with a single time.
 * One action less than the server takes is sent at once: an action that comes faster through the network than the first
 * one did is then not too early. A server that announces no interval gets actions as fast as they come.
 */

import type { Limits } from "../messages.js";

export class Pace {
  #intervalMs = 0;
  #aheadMs = 0; // how far the actions that were sent may be ahead of an even pace
  #even = -Infinity; // when the next action would be due at an even pace

  /** A connection begins: its server takes a whole burst, as far as is known. */
  begin({ action_interval_ms, actions_burst }: Limits): void {
    this.#intervalMs = Math.max(action_interval_ms, 0);
    this.#aheadMs = this.#intervalMs * Math.max(actions_burst - 2, 0);
    this.#even = -Infinity;
  }

  /** When the next action may be sent; it may be in the past. */
  get next(): number {
    return this.#even - this.#aheadMs;
  }

  /** Send an action now, unless that is too early; returns whether it may be sent. */
  take(now: number): boolean {
    if (this.#intervalMs === 0) return true;
    if (now < this.next) return false;
    this.#even = Math.max(this.#even, now) + this.#intervalMs;
    return true;
  }

  /** The server says that it was too early: the next action is sent at that time, others one interval apart. */
  hold(until: number): void {
    this.#even = until + this.#aheadMs;
  }
}
