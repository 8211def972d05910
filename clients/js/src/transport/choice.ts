/**
 * Which transport to use: a WebSocket, or server-sent events where WebSockets are blocked. Pure.
 *
 * A failed WebSocket does not tell a blocked one from a server that is away, so the other transport is tried after some
 * failures in a row, in turn. While it works, a WebSocket is tried from time to time, on the side.
 */

import type { TransportName } from "../types.js";

/** Failures in a row before the other transport gets a try. WebSockets that have worked before are seldom blocked. */
const FAILURES_MAX = 2;
const FAILURES_MAX_LATER = 4;
/** From one try of a WebSocket on the side to the next: twice as long each time. */
const TRIAL_MS = 15_000;
const TRIAL_MS_MAX = 600_000;

export class TransportChoice {
  current: TransportName;
  readonly #isAuto: boolean;
  #failures = 0;
  #failuresMax = FAILURES_MAX;
  #trialMs = TRIAL_MS;

  constructor(mode: "auto" | TransportName) {
    this.#isAuto = mode === "auto";
    this.current = mode === "auto" ? "websocket" : mode;
  }

  /** The current transport works. Returns after how long to try the other one on the side; Infinity for never. */
  opened(): number {
    this.#failures = 0;
    if (!this.#isAuto) return Infinity;
    if (this.current === "websocket") {
      this.#failuresMax = FAILURES_MAX_LATER;
      this.#trialMs = TRIAL_MS;
      return Infinity;
    }
    return this.#nextTrialMs();
  }

  /** The current transport could not be opened. */
  failed(): void {
    if (!this.#isAuto) return;
    if (this.current === "sse") this.current = "websocket";
    else if (++this.#failures >= this.#failuresMax) this.current = "sse";
  }

  /** A WebSocket was tried on the side. Returns after how long to try again; Infinity if it works. */
  tried(isOpen: boolean): number {
    if (!isOpen) return this.#nextTrialMs();
    this.current = "websocket";
    this.#failures = 0;
    return Infinity;
  }

  #nextTrialMs(): number {
    const waitMs = this.#trialMs;
    this.#trialMs = Math.min(2 * waitMs, TRIAL_MS_MAX);
    return waitMs;
  }
}
