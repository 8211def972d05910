/**
 * Drives a session over links: opens, writes, closes, gets tokens, and sets the timer. It decides nothing.
 *
 * `step` does all that there is to do now. It is called after everything that happens, and never within itself.
 */

import { LoadFailed } from "../errors.js";
import type { Session } from "../machine/session.js";
import { isConnected } from "../machine/states.js";
import type { Link, OpenLink } from "../transport/link.js";
import { Alarm } from "./alarm.js";
import type { Clock } from "./clock.js";
import type { TokenSource } from "./token-source.js";

/** A timer that is this late was held back, since the page or the computer slept. */
const LATE_MS = 5_000;
const ABNORMAL = 1006;

/** One attempt to connect, and what comes of it. */
interface Attempt {
  link: Link | null;
  isOpen: boolean;
}

export interface DriverOptions {
  readonly session: Session;
  readonly clock: Clock;
  readonly tokens: TokenSource;
  readonly openLink: OpenLink;
  /** Hand out what the session has to report. */
  readonly report: (now: number) => void;
}

export class Driver {
  readonly #options: DriverOptions;
  readonly #alarm: Alarm;
  #attempt: Attempt | null = null;
  #isStepping = false;
  #isWoken = false;
  #isRefreshing = false;
  #isLoading = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, (lateMs) => {
      if (lateMs > LATE_MS) options.session.awake(options.clock());
      this.step();
    });
  }

  /** Step soon: several wishes of the user then travel in one message. */
  wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    queueMicrotask(() => {
      this.#isWoken = false;
      this.step();
    });
  }

  step(): void {
    if (this.#isStepping) {
      this.wake();
      return;
    }
    this.#isStepping = true;
    try {
      this.#step();
    } finally {
      this.#isStepping = false;
    }
  }

  #step(): void {
    const { session, clock, report } = this.#options;
    session.tick(clock());
    report(clock());
    this.#obey();
    if (this.#attempt?.isOpen) {
      for (const message of session.takeOutput(clock())) this.#attempt.link?.send(message);
      report(clock()); // an action may have turned out to be too large
    }
    if (session.rooms.lacksExtras && !this.#isLoading) void this.#loadExtras();
    if (session.isTokenDue && !this.#isRefreshing) void this.#refresh();
    this.#alarm.set(session.deadline);
  }

  /** Have the link that the session's state asks for. */
  #obey(): void {
    const { session } = this.#options;
    const attempt = this.#attempt;
    const isOpening = session.state === "connecting" && attempt?.isOpen === false;
    if (attempt !== null && !isOpening && !(attempt.isOpen && isConnected(session.state))) {
      this.#attempt = null;
      attempt.link?.close();
    }
    if (session.state === "connecting" && this.#attempt === null) void this.#open();
  }

  async #open(): Promise<void> {
    const { session, clock, tokens, openLink } = this.#options;
    const attempt: Attempt = { link: null, isOpen: false };
    this.#attempt = attempt;
    const isCurrent = (): boolean => this.#attempt === attempt;
    try {
      const token = await tokens.get();
      if (!isCurrent()) return;
      session.opening(clock());
      attempt.link = openLink({
        opened: () => isCurrent() && this.#opened(attempt, token),
        received: (value) => isCurrent() && this.#happened(() => session.receive(value, clock())),
        closed: (...how) => isCurrent() && this.#closed(attempt, ...how),
      });
      this.step();
    } catch (error) {
      if (!isCurrent()) return;
      this.#attempt = null;
      const message = `no token: ${error instanceof Error ? error.message : error}`;
      this.#happened(() => session.connectFailed({ code: "token_unavailable", message }, clock()));
    }
  }

  #opened(attempt: Attempt, token: string | null): void {
    const { session, clock } = this.#options;
    attempt.isOpen = true;
    this.#happened(() => session.connected(token, clock()));
  }

  #closed(attempt: Attempt, code: number, reason: string, retryAfterMs = 0): void {
    const { session, clock } = this.#options;
    this.#attempt = null;
    const message = reason || "no connection could be made";
    this.#happened(() => {
      if (attempt.isOpen) session.disconnected(code || ABNORMAL, reason, clock(), retryAfterMs);
      else session.connectFailed({ code: "unreachable", message }, clock(), retryAfterMs);
    });
  }

  #happened(tell: () => void): void {
    tell();
    this.step();
  }

  /** Get a newer token. Without one, the token in use may last until the next attempt. */
  async #refresh(): Promise<void> {
    const { session, clock, tokens } = this.#options;
    this.#isRefreshing = true;
    const token = await tokens.get().catch(() => null);
    this.#isRefreshing = false;
    this.#happened(() => session.refresh(token, clock()));
  }

  async #loadExtras(): Promise<void> {
    const { session, clock } = this.#options;
    this.#isLoading = true;
    try {
      session.rooms.extras = (await import("../machine/rooms/extras.js")).extras;
    } catch (error) {
      session.rooms.loadFailed(new LoadFailed(error), clock());
    }
    this.#isLoading = false;
    this.step();
  }
}
