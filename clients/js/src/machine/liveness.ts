/** When a connection counts as dead: the server has been silent for too long. */

/** A silence of this many heartbeats means that the connection is dead. One may be late because of the network. */
const HEARTBEATS_MISSED_MAX = 2;
/** How long a transport may take to open, and then the welcome: a bad mobile network needs seconds for either. */
const OPEN_MS_MAX = 15_000;
const WELCOME_MS_MAX = 10_000;
/** After a sleep, what arrived before it is handed in first; a server that is still there is heard within this time. */
const WAKE_MS = 3_000;

export class Liveness {
  #deadline = Infinity;
  #heartbeatMs = 0;

  /** Silence ends the connection then. */
  get deadline(): number {
    return this.#deadline;
  }

  /** A transport is being opened. */
  opening(now: number): void {
    this.#deadline = now + OPEN_MS_MAX;
  }

  /** The transport is open, and the welcome is to come. */
  opened(now: number): void {
    this.#deadline = now + WELCOME_MS_MAX;
    this.#heartbeatMs = 0;
  }

  /** The server's welcome. Without heartbeats (0), silence means nothing. */
  welcomed(now: number, heartbeatMs: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.#deadline = Infinity;
    this.heard(now);
  }

  /** A message arrived. */
  heard(now: number): void {
    if (this.#heartbeatMs > 0) this.#deadline = now + HEARTBEATS_MISSED_MAX * this.#heartbeatMs;
  }

  /** Nothing could be handed in for a while, since the computer or the page slept. */
  woke(now: number): void {
    if (this.#deadline < now + WAKE_MS) this.#deadline = now + WAKE_MS;
  }

  end(): void {
    this.#deadline = Infinity;
  }
}
