/**
 * Drives a session over links: opens, writes, closes, gets tokens, and sets the timer. It decides nothing.
 *
 * `step` does all that there is to do now. It is called after everything that happens, and never within itself.
 */

import { LoadFailed } from "../errors.js";
import type { Session } from "../machine/session.js";
import { isConnected } from "../machine/states.js";
import type { Link, OpenLink } from "../transport/link.js";
import { createAlarm } from "./alarm.js";
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
  readonly report: () => void;
}

export interface Driver {
  /** Do all that there is to do now. */
  step(): void;
  /** Step soon: several wishes of the user then travel in one message. */
  wake(): void;
}

export function drive({ session, clock, tokens, openLink, report }: DriverOptions): Driver {
  let attempt: Attempt | null = null;
  let isStepping = false;
  let isWoken = false;
  let isRefreshing = false;
  let isLoading = false;

  const setAlarm = createAlarm(clock, (lateMs) => {
    if (lateMs > LATE_MS) session.awake(clock());
    step();
  });

  function wake(): void {
    if (isWoken) return;
    isWoken = true;
    queueMicrotask(() => {
      isWoken = false;
      step();
    });
  }

  function step(): void {
    if (isStepping) {
      wake();
      return;
    }
    isStepping = true;
    try {
      session.tick(clock());
      report();
      obey();
      if (attempt?.isOpen) {
        for (const message of session.takeOutput(clock())) attempt.link?.send(message);
        report(); // an action may have turned out to be too large
      }
      if (session.rooms.lacksExtras && !isLoading) void loadExtras();
      if (session.isTokenDue && !isRefreshing) void refresh();
      setAlarm(session.deadline);
    } finally {
      isStepping = false;
    }
  }

  /** Have the link that the session's state asks for. */
  function obey(): void {
    const isOpening = session.state === "connecting" && attempt?.isOpen === false;
    if (attempt !== null && !isOpening && !(attempt.isOpen && isConnected(session.state))) {
      const { link } = attempt;
      attempt = null;
      link?.close();
    }
    if (session.state === "connecting" && attempt === null) void open();
  }

  async function open(): Promise<void> {
    const own: Attempt = { link: null, isOpen: false };
    attempt = own;
    /** Tell the session something, unless this attempt is over. */
    const tell =
      <A extends unknown[]>(happened: (...how: A) => void) =>
      (...how: A): void => {
        if (attempt !== own) return;
        happened(...how);
        step();
      };
    try {
      const token = await tokens.get();
      tell(() => {
        session.opening(clock());
        own.link = openLink({
          opened: tell(() => {
            own.isOpen = true;
            session.connected(token, clock());
          }),
          received: tell((value) => session.receive(value, clock())),
          closed: tell((code, reason, retryAfterMs = 0) => {
            attempt = null;
            const message = reason || "no connection could be made";
            if (own.isOpen) session.disconnected(code || ABNORMAL, reason, clock(), retryAfterMs);
            else session.connectFailed({ code: "unreachable", message }, clock(), retryAfterMs);
          }),
        });
      })();
    } catch (error) {
      tell(() => {
        attempt = null;
        const message = `no token: ${error instanceof Error ? error.message : error}`;
        session.connectFailed({ code: "token_unavailable", message }, clock());
      })();
    }
  }

  /** Get a newer token. Without one, the token in use may last until the next attempt. */
  async function refresh(): Promise<void> {
    isRefreshing = true;
    const token = await tokens.get().catch(() => null);
    isRefreshing = false;
    session.refresh(token, clock());
    step();
  }

  async function loadExtras(): Promise<void> {
    isLoading = true;
    try {
      session.rooms.extras = (await import("../machine/rooms/extras.js")).extras;
    } catch (error) {
      session.rooms.loadFailed(new LoadFailed(error), clock());
    }
    isLoading = false;
    step();
  }

  return { step, wake };
}
