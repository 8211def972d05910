/** When a connection counts as dead: the server has been silent for too long. */

/** A silence of this many heartbeats means that the connection is dead. One may be late because of the network. */
const HEARTBEATS_MISSED_MAX = 2;
/** After a sleep, what arrived before it is handed in first; a server that is still there is heard within this time. */
const WAKE_MS = 3_000;

export class Liveness {
  /** Silence ends the connection then. */
  deadline: number = Infinity;
  #heartbeatMs = 0;

  /** The next step of connecting may take this long. */
  allow(ms: number, now: number): void {
    this.#heartbeatMs = 0;
    this.deadline = now + ms;
  }

  /** The server's welcome. Without heartbeats (0), silence means nothing. */
  welcomed(heartbeatMs: number, now: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.deadline = Infinity;
    this.heard(now);
  }

  /** Something arrived. */
  heard(now: number): void {
    if (this.#heartbeatMs > 0) this.deadline = now + HEARTBEATS_MISSED_MAX * this.#heartbeatMs;
  }

  /** Nothing could be handed in for a while, since the computer or the page slept. */
  woke(now: number): void {
    this.deadline = Math.max(this.deadline, now + WAKE_MS);
  }

  /** There is no connection. */
  end(): void {
    this.deadline = Infinity;
  }
}
