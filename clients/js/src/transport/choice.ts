/**
 * Which transport to use: a WebSocket, or server-sent events where WebSockets are blocked. Pure.
 *
 * A failed WebSocket does not tell a blocked one from a server that is away, so the other transport is tried after some
 * failures in a row, in turn. While it works, a WebSocket is tried from time to time, on the side: trial.ts.
 */

import type { TransportName } from "../types.js";

/** Failures in a row before the other transport gets a try. WebSockets that have worked before are seldom blocked. */
const FAILURES_MAX = 2;
const FAILURES_MAX_LATER = 4;
/** Until the first try of a WebSocket on the side. */
const TRIAL_MS = 15_000;

export class TransportChoice {
  current: TransportName;
  readonly isAuto: boolean;
  /** Until the next try of a WebSocket on the side. */
  trialMs: number = TRIAL_MS;
  #failures = 0;
  #failuresMax = FAILURES_MAX;

  constructor(mode: "auto" | TransportName) {
    this.isAuto = mode === "auto";
    this.current = mode === "auto" ? "websocket" : mode;
  }

  /** The current transport works. */
  opened(): void {
    this.#failures = 0;
    if (this.current === "sse") return;
    this.#failuresMax = FAILURES_MAX_LATER;
    this.trialMs = TRIAL_MS;
  }

  /** The current transport could not be opened. */
  failed(): void {
    if (!this.isAuto) return;
    if (this.current === "sse") this.current = "websocket";
    else if (++this.#failures >= this.#failuresMax) this.current = "sse";
  }
}
