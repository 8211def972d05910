/** A connection: passes the user's wishes to the session, and hands out what the session has to report. */

import { checkOptions, checkRoom, mustBe } from "../checks.js";
import { ConnectionClosed } from "../errors.js";
import type { Welcome } from "../machine/messages.js";
import { type Cursor, parseCursor } from "../machine/rooms/cursor.js";
import type { Beginning } from "../machine/rooms/view.js";
import type { Session } from "../machine/session.js";
import type { TransportChoice } from "../transport/choice.js";
import type {
  ActOptions,
  ConnectionEvents,
  Reason,
  Receipt,
  RoomStore,
  Status,
  SubscribeOptions,
  SubscriptionEvents,
  Verdict,
} from "../types.js";
import type { Acting } from "./acting.js";
import type { Clock } from "./clock.js";
import { Emitter } from "./emitter.js";
import { settled } from "./settled.js";
import { RoomSubscription, type SubscriptionOwner } from "./subscription.js";

export interface ConnectionParts {
  readonly url: string;
  readonly session: Session;
  readonly clock: Clock;
  readonly store: RoomStore | null;
  readonly eventsMax: number;
  /** Where actions go. A page that only watches does not load its code. */
  readonly acting: () => Promise<Acting>;
  /** Its current one carries the link. */
  readonly choice: TransportChoice;
}

const NOTHING: Beginning = { cursor: null, state: [], stateComplete: true };

export class RoomConnection implements SubscriptionOwner {
  readonly url: string;
  status: Status = { state: "connecting", reason: null };
  verdict: Verdict | null = null;
  readonly #parts: ConnectionParts;
  readonly #session: Session;
  readonly #wake: () => void;
  readonly #emitter = new Emitter<ConnectionEvents>();
  readonly #subscriptions = new Set<RoomSubscription>();
  #reported = JSON.stringify(this.status);
  /** When the session connects again, by its clock and as a time of day. */
  #connectAt = Infinity;
  #retryAt: number | null = null;
  /** The newest welcome, and how far the server's clock was ahead of ours then. */
  #welcome: Welcome | null = null;
  #aheadMs = 0;
  /** Null until the first action. */
  #acting: Acting | null = null;

  /** `wake` is to look at the session soon. */
  constructor(parts: ConnectionParts, wake: () => void) {
    this.url = parts.url;
    this.#parts = parts;
    this.#session = parts.session;
    this.#wake = wake;
  }

  get serverTime(): number {
    const { clockDifferenceMs } = this.#session;
    if (clockDifferenceMs === null) return Date.now();
    const { clock } = this.#parts;
    return Math.round(this.status.state === "open" ? clock(true) + this.#aheadMs : clock() + clockDifferenceMs);
  }

  opened(): Promise<this> {
    return settled(
      (look) => this.#emitter.on("status", look),
      this,
      () => {
        this.#mustBeOpen();
        return this.status.state === "open";
      },
    );
  }

  on<N extends keyof ConnectionEvents>(name: N, listener: ConnectionEvents[N]): () => void {
    return this.#emitter.on(name, listener);
  }

  subscribe(room: string, options: SubscribeOptions = {}): RoomSubscription {
    this.#mustBeOpen();
    checkRoom(room);
    checkOptions(options);
    const { after, last } = options;
    const store = (options.persist ?? true) ? this.#parts.store : null;
    const beginning = after ? { cursor: after, state: [], stateComplete: false } : (store?.load(room) ?? NOTHING);
    const machine = this.#session.rooms.subscribe(room, cursorOf(beginning.cursor), {
      ...(last && { last }),
      ...(options.deliver === "latest" && { deliver: "latest" }),
      ...((options.occupancy || options.onOccupancy) && { occupancy: true }),
      ...((options.members || options.onMembers) && { members: true }),
    });
    const subscription = new RoomSubscription(machine, beginning, this.#parts.eventsMax, store, this);
    listen(subscription, options);
    this.#subscriptions.add(subscription);
    this.#wake();
    return subscription;
  }

  async act(room: string, kind: string, data?: unknown, options?: ActOptions): Promise<Receipt> {
    this.#mustBeOpen();
    checkRoom(room);
    const json = copyOf(data);
    this.#acting = await this.#parts.acting();
    this.#mustBeOpen();
    this.#wake();
    return this.#acting.submit(room, kind, data, json, options?.traceparent);
  }

  close(): void {
    this.#session.close();
    this.#wake();
    this.report();
  }

  leave(subscription: RoomSubscription): void {
    this.#session.rooms.unsubscribe(subscription.machine);
    this.#subscriptions.delete(subscription);
    subscription.end(null);
    this.#wake();
  }

  pause(subscription: RoomSubscription, isBehind: boolean): void {
    this.#session.rooms.pause(subscription.machine, isBehind);
    this.#wake();
  }

  /** Hand out everything that the session has to report. */
  report(): void {
    const { verdict, state, failure, welcome } = this.#session;
    if (welcome !== null && welcome !== this.#welcome) {
      this.#welcome = welcome;
      this.#aheadMs = welcome.time - this.#parts.clock(true);
    }
    this.#acting?.report();
    if (verdict !== null && verdict !== this.verdict) {
      this.verdict = verdict;
      this.#emitter.emit("verdict", verdict);
    }
    this.#reportStatus();
    for (const subscription of this.#subscriptions) {
      subscription.report();
      if (state === "closed") subscription.end(failure);
      if (subscription.status.state === "closed") this.#subscriptions.delete(subscription);
    }
    if (state === "closed") this.#acting?.end(failure ?? closed());
  }

  #reportStatus(): void {
    const { connectAt } = this.#session;
    if (connectAt !== this.#connectAt) {
      // Once only: the time of day and our clock are not quite even.
      this.#connectAt = connectAt;
      this.#retryAt = connectAt < Infinity ? Math.round(Date.now() + connectAt - this.#parts.clock()) : null;
    }
    const status = this.#statusNow();
    const text = JSON.stringify(status);
    if (text === this.#reported) return;
    this.#reported = text;
    this.status = status;
    this.#emitter.emit("status", status);
  }

  #statusNow(): Status {
    const { state, trouble, welcome, failure } = this.#session;
    if (state === "closed") return { state, error: failure };
    if (state === "waiting") return { state, reason: trouble as Reason, retryAt: this.#retryAt };
    if ((state !== "open" && state !== "leaving") || welcome === null) return { state: "connecting", reason: trouble };
    const { edge, player } = welcome;
    const { current: transport, isAuto } = this.#parts.choice;
    const reason = isAuto && transport === "sse" ? BLOCKED : null;
    return { state: "open", transport, edge, player, leaving: state === "leaving", reason };
  }

  #mustBeOpen(): void {
    if (this.#session.state === "closed") throw this.#session.failure ?? closed();
  }
}

const BLOCKED: Reason = { code: "websocket_failed", message: "no WebSocket opened" };

/** The data as it is now: the user may change it while the code for acting loads, which refuses what JSON cannot have. */
function copyOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}

const closed = (): ConnectionClosed => new ConnectionClosed("the connection is closed");

function cursorOf(text: string | null): Cursor | null {
  const cursor = text === null ? text : parseCursor(text);
  mustBe(cursor || text === null, "cursor", text);
  return cursor;
}

/** `onEvent` listens to `event`, and so on. */
function listen(subscription: RoomSubscription, options: SubscribeOptions): void {
  for (const [option, listener] of Object.entries(options)) {
    if (option.startsWith("on") && listener) {
      subscription.on(option.slice(2).toLowerCase() as keyof SubscriptionEvents, listener);
    }
  }
}
