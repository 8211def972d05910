/** A connection: passes the user's wishes to the session, and hands out what the session has to report. */

import { BadArgument, ConnectionClosed, type ConnectionFailed, TouchlineError } from "../errors.js";
import { RECENT_EVENTS_MAX } from "../limits.js";
import { actionData, checkKind } from "../machine/actions/action-data.js";
import type { Outbox } from "../machine/actions/outbox.js";
import type { Outcome, PendingAction } from "../machine/actions/pending-action.js";
import { parseCursor } from "../machine/rooms/cursor.js";
import type { Room } from "../machine/rooms/room.js";
import type { Beginning } from "../machine/rooms/view.js";
import type { Session } from "../machine/session.js";
import type {
  ConnectionEvents,
  Reason,
  Receipt,
  Status,
  SubscribeOptions,
  SubscriptionEvents,
  TransportName,
  Verdict,
} from "../types.js";
import type { Clock } from "./clock.js";
import { Emitter } from "./emitter.js";
import { RoomSubscription, type SubscriptionOwner } from "./subscription.js";

/** What is kept of rooms from one page load to the next. */
export interface RoomStore {
  load(room: string): Beginning | null;
  /** The room has changed; it is saved soon. */
  changed(subscription: RoomSubscription): void;
}

export interface ConnectionParts {
  readonly url: string;
  readonly session: Session;
  readonly clock: Clock;
  readonly store: RoomStore | null;
  readonly eventsMax: number;
  /** Where actions go. A page that only watches does not load its code. */
  readonly outbox: () => Promise<Outbox>;
  /** What carries the current link. */
  readonly transport: () => TransportName;
  /** Look at the session soon. */
  readonly wake: () => void;
}

type Answer = { resolve: (receipt: Receipt) => void; reject: (error: TouchlineError) => void };

const NOTHING: Beginning = { cursor: null, state: [], stateComplete: true };

export class RoomConnection implements SubscriptionOwner {
  readonly url: string;
  status: Status = { state: "connecting", reason: null };
  verdict: Verdict | null = null;
  readonly #parts: ConnectionParts;
  readonly #session: Session;
  readonly #emitter = new Emitter<ConnectionEvents>();
  readonly #subscriptions = new Map<Room, RoomSubscription>();
  readonly #answers = new Map<PendingAction, Answer>();
  readonly #persisted = new Set<RoomSubscription>();
  #waiters: { resolve: (connection: RoomConnection) => void; reject: (error: TouchlineError) => void }[] = [];
  #reported: readonly unknown[] = [];

  constructor(parts: ConnectionParts) {
    this.url = parts.url;
    this.#parts = parts;
    this.#session = parts.session;
  }

  get serverTime(): number {
    const { clock } = this.#parts;
    const difference = this.#session.clockDifferenceMs;
    return difference === null ? Date.now() : Math.round(clock() + difference);
  }

  opened(): Promise<RoomConnection> {
    if (this.status.state === "open") return Promise.resolve(this);
    if (this.status.state === "closed") return Promise.reject(this.status.error ?? closed());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  on<N extends keyof ConnectionEvents>(name: N, listener: ConnectionEvents[N]): () => void {
    return this.#emitter.on(name, listener);
  }

  subscribe(room: string, options: SubscribeOptions = {}): RoomSubscription {
    this.#mustBeOpen();
    const { last = 0, deliver = "all", occupancy = false, members = false, persist = true } = options;
    checkSubscribe(room, last);
    const stored = persist ? this.#parts.store?.load(room) : null;
    const beginning = options.after ? { ...NOTHING, cursor: cursorOf(options.after), stateComplete: false } : stored;
    const machine = this.#session.rooms.subscribe(room, {
      after: beginning?.cursor ?? null,
      last,
      deliver,
      occupancy: occupancy || options.onOccupancy !== undefined,
      members: members || options.onMembers !== undefined,
    });
    const subscription = new RoomSubscription(machine, beginning ?? NOTHING, this.#parts.eventsMax, this);
    listen(subscription, options);
    this.#subscriptions.set(machine, subscription);
    if (persist) this.#persisted.add(subscription);
    this.#parts.wake();
    return subscription;
  }

  async act(room: string, kind: string, data?: unknown): Promise<Receipt> {
    this.#mustBeOpen();
    checkRoom(room);
    checkKind(kind);
    const copy = actionData(data);
    const outbox = await this.#parts.outbox();
    this.#mustBeOpen();
    const action = outbox.submit(room, kind, copy);
    this.#parts.wake();
    return new Promise((resolve, reject) => this.#answers.set(action, { resolve, reject }));
  }

  close(): void {
    this.#session.close();
    this.#parts.wake();
    this.report();
  }

  leave(subscription: RoomSubscription): void {
    this.#session.rooms.unsubscribe(subscription.machine);
    this.#subscriptions.delete(subscription.machine);
    this.#persisted.delete(subscription);
    subscription.end(null);
    this.#parts.wake();
  }

  pause(subscription: RoomSubscription): void {
    this.#session.rooms.pause(subscription.machine);
    this.#parts.wake();
  }

  resume(subscription: RoomSubscription): void {
    this.#session.rooms.resume(subscription.machine);
    this.#parts.wake();
  }

  /** Hand out everything that the session has to report. */
  report(): void {
    for (const [action, outcome] of this.#session.outbox?.takeOutcomes() ?? []) this.#answer(action, outcome);
    this.#reportVerdict();
    this.#reportItems();
    this.#reportStatus();
    for (const subscription of this.#subscriptions.values()) subscription.updateStatus();
    if (this.#session.state === "closed") this.#end(this.#session.failure);
  }

  #answer(action: PendingAction, outcome: Outcome): void {
    const answer = this.#answers.get(action);
    this.#answers.delete(action);
    if (outcome instanceof TouchlineError) answer?.reject(outcome);
    else answer?.resolve(outcome);
  }

  #reportVerdict(): void {
    const { verdict } = this.#session;
    if (verdict === this.verdict || verdict === null) return;
    this.verdict = verdict;
    this.#emitter.emit("verdict", verdict);
  }

  #reportItems(): void {
    const changed = new Set<RoomSubscription>();
    for (const [room, item] of this.#session.rooms.takeItems()) {
      const subscription = this.#subscriptions.get(room);
      if (subscription === undefined) continue;
      if (item.type === "refused") this.#subscriptions.delete(room);
      subscription.apply(item);
      changed.add(subscription);
    }
    for (const subscription of changed) {
      subscription.reportChange();
      if (this.#persisted.has(subscription)) this.#parts.store?.changed(subscription);
    }
  }

  #reportStatus(): void {
    const { state, trouble, welcome, reconnectAt } = this.#session;
    const now: readonly unknown[] = [state, trouble, welcome, reconnectAt];
    if (now.every((value, index) => value === this.#reported[index])) return;
    this.#reported = now;
    const status = this.#statusNow();
    if (JSON.stringify(status) === JSON.stringify(this.status)) return;
    this.status = status;
    if (status.state === "open") for (const { resolve } of this.#waiters.splice(0)) resolve(this);
    this.#emitter.emit("status", status);
  }

  #statusNow(): Status {
    const { state, trouble, welcome, reconnectAt, failure } = this.#session;
    if (state === "closed") return { state, error: failure };
    if (state === "waiting") {
      const waitMs = (reconnectAt ?? Infinity) - this.#parts.clock();
      return { state, reason: trouble ?? LOST, retryAt: waitMs === Infinity ? null : Math.round(Date.now() + waitMs) };
    }
    if ((state !== "open" && state !== "leaving") || welcome === null) return { state: "connecting", reason: trouble };
    const { edge, player } = welcome;
    return { state: "open", transport: this.#parts.transport(), edge, player, leaving: state === "leaving" };
  }

  /** The session is closed: subscriptions end, and nobody waits for anything any longer. */
  #end(failure: ConnectionFailed | null): void {
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    for (const subscription of subscriptions) subscription.end(failure);
    for (const { reject } of this.#waiters.splice(0)) reject(failure ?? closed());
    for (const { reject } of this.#answers.values()) reject(failure ?? closed());
    this.#answers.clear();
  }

  #mustBeOpen(): void {
    if (this.#session.state === "closed") throw this.#session.failure ?? closed();
  }
}

const LOST: Reason = { code: "abnormal", message: "the connection was lost" };

const closed = (): ConnectionClosed =>
  new ConnectionClosed("the connection was closed; if an action was sent, it may be done");

function checkRoom(room: string): void {
  if (!/^[a-z][a-z0-9_-]{0,31}:./su.test(room)) throw new BadArgument(`${room} is not a room: write <feed>:<id>`);
}

function checkSubscribe(room: string, last: number): void {
  checkRoom(room);
  if (Number.isInteger(last) && last >= 0 && last <= RECENT_EVENTS_MAX) return;
  throw new BadArgument(`last is how many events to begin with, 0 to ${RECENT_EVENTS_MAX}, not ${last}`);
}

function cursorOf(text: string): NonNullable<ReturnType<typeof parseCursor>> {
  const cursor = parseCursor(text);
  if (cursor === null) throw new BadArgument(`${text} is not a cursor: pass one as events and subscriptions have it`);
  return cursor;
}

function listen(subscription: RoomSubscription, options: SubscribeOptions): void {
  const add = <N extends keyof SubscriptionEvents>(name: N, listener: SubscriptionEvents[N] | undefined): void => {
    if (listener !== undefined) subscription.on(name, listener);
  };
  add("event", options.onEvent);
  add("joined", options.onJoined);
  add("restart", options.onRestart);
  add("occupancy", options.onOccupancy);
  add("members", options.onMembers);
  add("status", options.onStatus);
}
