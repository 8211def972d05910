/**
 * Drives a session over links: opens, writes, closes, gets tokens, and sets the timer. It decides nothing.
 *
 * `step` does all that there is to do now. It is called after everything that happens, and never within itself.
 */

import { LoadFailed } from "../errors.js";
import type { Session } from "../machine/session.js";
import { isConnected } from "../machine/states.js";
import type { TransportChoice } from "../transport/choice.js";
import type { Link, OpenLink } from "../transport/link.js";
import { createAlarm } from "./alarm.js";
import type { Clock } from "./clock.js";

/** A timer that is this late was held back, since the page or the computer slept. */
const LATE_MS = 5_000;
const UNREACHABLE = "unreachable";

/** One attempt to connect, and what comes of it. */
interface Attempt {
  link?: Link;
  isOpen?: boolean;
}

export interface DriverOptions {
  readonly session: Session;
  readonly clock: Clock;
  /** The token to use now; null if the client has none. */
  readonly token: () => Promise<string | null>;
  readonly choice: TransportChoice;
  /** What opens links over the transport of choice. Rejects if its code does not load. */
  readonly opener: () => Promise<OpenLink>;
}

export class Driver {
  readonly #options: DriverOptions;
  readonly #report: () => void;
  readonly #setAlarm: (at: number) => void;
  #attempt: Attempt | null = null;
  #isStepping = false;
  #isWoken = false;
  #isRefreshing = false;
  #isLoading = false;

  /** `report` hands out what the session has to report. */
  constructor(options: DriverOptions, report: () => void) {
    this.#options = options;
    this.#report = report;
    this.#setAlarm = createAlarm(options.clock, (lateMs) =>
      this.tell((session, now) => lateMs > LATE_MS && session.awake(now)),
    );
  }

  /** Tell the session what happened, and do what follows from it. */
  tell(happened: (session: Session, now: number) => void): void {
    happened(this.#options.session, this.#options.clock());
    this.step();
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
    const { session, clock } = this.#options;
    session.tick(clock());
    this.#report();
    this.#obey();
    if (this.#attempt?.isOpen) {
      for (const message of session.takeOutput(clock())) this.#attempt.link?.send(message);
      this.#report(); // an action may have turned out to be too large
    }
    if (session.rooms.lacksExtras && !this.#isLoading) void this.#loadExtras();
    if (session.isTokenDue && !this.#isRefreshing) void this.#refresh();
    this.#setAlarm(session.deadline);
  }

  /** Have the link that the session's state asks for. */
  #obey(): void {
    const { session, choice } = this.#options;
    const attempt = this.#attempt;
    const isOpening = session.state === "connecting";
    if (attempt !== null && !(attempt.isOpen ? isConnected(session.state) : isOpening)) {
      this.#attempt = null;
      if (attempt.link && !attempt.isOpen) choice.failed(); // it took too long
      attempt.link?.close();
    }
    if (isOpening && this.#attempt === null) void this.#open({});
  }

  async #open(attempt: Attempt): Promise<void> {
    const { token, choice, opener } = this.#options;
    this.#attempt = attempt;
    /** Tell the session, unless the attempt is over. */
    const tell: Driver["tell"] = (happened) => {
      if (this.#attempt === attempt) this.tell(happened);
    };
    const failed = (code: string) => (error: unknown) =>
      tell((session, now) => {
        this.#attempt = null;
        if (code === UNREACHABLE) choice.failed();
        session.connectFailed({ code, message: error instanceof Error ? error.message : `${error}` }, now);
      });
    const presented = await token().catch(failed("token_unavailable"));
    tell((session, now) => session.opening(now));
    const openLink = await opener().catch(failed(UNREACHABLE));
    if (!openLink || this.#attempt !== attempt) return;
    try {
      attempt.link = openLink({
        opened: () =>
          tell((session, now) => {
            attempt.isOpen = true;
            choice.opened();
            session.connected(presented ?? null, now);
          }),
        received: (value) => tell((session, now) => session.receive(value, now)),
        closed: (code, reason) => {
          if (!attempt.isOpen) failed(UNREACHABLE)(reason || "the server does not answer");
          tell((session, now) => {
            this.#attempt = null;
            session.disconnected(code, reason, now);
          });
        },
      });
    } catch (error) {
      failed(UNREACHABLE)(error);
    }
  }

  /** Get a newer token. Without one, the token in use may last until the next attempt. */
  async #refresh(): Promise<void> {
    this.#isRefreshing = true;
    const token = await this.#options.token().catch(() => null);
    this.#isRefreshing = false;
    this.tell((session, now) => session.refresh(token, now));
  }

  async #loadExtras(): Promise<void> {
    const { rooms } = this.#options.session;
    this.#isLoading = true;
    try {
      rooms.extras = (await import("../machine/rooms/extras.js")).extras;
    } catch (error) {
      rooms.loadFailed(new LoadFailed(error), this.#options.clock());
    }
    this.#isLoading = false;
    this.step();
  }
}
