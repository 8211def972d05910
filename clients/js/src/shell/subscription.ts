/**
 * A subscription: hands out what happened in one room, to callbacks and iterators, and reports how the room is now.
 *
 * The generic types of the public API are put on from outside: see `Connection.subscribe`.
 */

import { ConnectionClosed, type TouchlineError } from "../errors.js";
import type { Event, Item, JoinedItem } from "../machine/rooms/items.js";
import type { Room } from "../machine/rooms/room.js";
import type { Phase } from "../machine/rooms/room-phase.js";
import { type Beginning, View } from "../machine/rooms/view.js";
import type { ActOptions, Joined, Receipt, RoomStatus, SubscriptionEvents } from "../types.js";
import { Emitter } from "./emitter.js";
import { EventQueue } from "./event-queue.js";

/** What a subscription asks of its connection. */
export interface SubscriptionOwner {
  act(room: string, kind: string, data?: unknown, options?: ActOptions): Promise<Receipt>;
  leave(subscription: RoomSubscription): void;
  /** An iterator is behind by too much, or has caught up. */
  pause(subscription: RoomSubscription): void;
  resume(subscription: RoomSubscription): void;
}

const JOINING: RoomStatus = { state: "joining", error: null };
const WAITING: RoomStatus = { state: "waiting", error: null };
const JOINED: RoomStatus = { state: "joined", error: null };
const LEFT: RoomStatus = { state: "closed", error: null };
const STATUS: Readonly<Record<Phase, RoomStatus>> = {
  wanted: JOINING,
  requested: JOINING,
  joined: JOINED,
  waiting: WAITING,
  paused: WAITING,
  closed: LEFT,
};

export class RoomSubscription extends View {
  readonly machine: Room;
  status: RoomStatus = JOINING;
  readonly #owner: SubscriptionOwner;
  readonly #eventsMax: number;
  readonly #emitter = new Emitter<SubscriptionEvents>();
  readonly #queues = new Set<EventQueue<Event>>();
  /** What arrived before the first iteration, in case there is one; null once that cannot matter any more. */
  #early: Event[] | null = [];
  #isPaused = false;
  #waiters: { resolve: (subscription: RoomSubscription) => void; reject: (error: TouchlineError) => void }[] = [];

  constructor(machine: Room, beginning: Beginning, eventsMax: number, owner: SubscriptionOwner) {
    super(beginning);
    this.machine = machine;
    this.#eventsMax = eventsMax;
    this.#owner = owner;
  }

  get room(): string {
    return this.machine.name;
  }
  joined(): Promise<RoomSubscription> {
    const { state, error } = this.status;
    if (state === "closed") return Promise.reject(error ?? closed(this.room));
    if (this.recovered !== null) return Promise.resolve(this);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  on<N extends keyof SubscriptionEvents>(name: N, listener: SubscriptionEvents[N]): () => void {
    this.#early = null;
    return this.#emitter.on(name, listener);
  }

  act(kind: string, data?: unknown, options?: ActOptions): Promise<Receipt> {
    return this.#owner.act(this.room, kind, data, options);
  }

  close(): void {
    this.#owner.leave(this);
  }

  [Symbol.asyncIterator](): EventQueue<Event> {
    const queue = new EventQueue<Event>(
      () => this.#resumeIfRead(),
      () => {
        this.#queues.delete(queue);
        this.#resumeIfRead();
      },
    );
    for (const event of this.#early ?? []) queue.push(event);
    this.#early = null;
    if (this.status.state === "closed") queue.end(this.status.error);
    else this.#queues.add(queue);
    return queue;
  }

  /** The next thing that happened in the room. */
  override apply(item: Item): void {
    if (this.status.state === "closed") return; // left by a callback
    super.apply(item);
    switch (item.type) {
      case "event":
        this.#handOut(item.event);
        return;
      case "joined":
        this.#reportJoined(item);
        return;
      case "occupancy":
        this.#emitter.emit("occupancy", item.occupancy);
        return;
      case "members":
        this.#emitter.emit("members", item.members);
        return;
      case "refused":
        this.end(item.error);
    }
  }

  /** The phase of the room may be another one. */
  updateStatus(): void {
    const { phase, trouble } = this.machine;
    const { state, error } = this.status;
    if (state === "closed" || (phase === "waiting" && trouble !== null && error === trouble)) return;
    this.#setStatus(phase === "waiting" && trouble !== null ? { state: phase, error: trouble } : STATUS[phase]);
  }

  /** Everything that one message brought has been applied. */
  reportChange(): void {
    this.#emitter.emit("change", undefined);
  }

  /** Nothing follows. Without an error, the user closed the subscription or the connection. */
  end(error: (RoomStatus & { state: "closed" })["error"]): void {
    if (this.status.state === "closed") return;
    for (const queue of this.#queues) queue.end(error);
    this.#queues.clear();
    for (const { reject } of this.#waiters.splice(0)) reject(error ?? closed(this.room));
    this.#setStatus(error === null ? LEFT : { state: "closed", error });
    this.reportChange();
  }

  #setStatus(status: RoomStatus): void {
    if (status === this.status) return;
    this.status = status;
    this.#emitter.emit("status", status);
  }

  #handOut(event: Event): void {
    if (this.#early !== null) {
      if (this.#early.length < this.#eventsMax) this.#early.push(event);
      else this.#early = null;
    }
    for (const queue of this.#queues) queue.push(event);
    if (!this.#isPaused && this.#behind >= this.#eventsMax) {
      this.#isPaused = true;
      this.#owner.pause(this);
    }
    this.#emitter.emit("event", event);
  }

  /** How far the slowest iterator is behind, in events. */
  get #behind(): number {
    return Math.max(0, ...[...this.#queues].map(({ size }) => size));
  }

  #resumeIfRead(): void {
    if (!this.#isPaused || this.#behind * 2 > this.#eventsMax) return;
    this.#isPaused = false;
    this.#owner.resume(this);
  }

  #reportJoined({ recovered, restarted, moved }: JoinedItem): void {
    this.updateStatus();
    const { room, state, stateComplete } = this;
    const joined: Joined = { room, recovered, restarted, moved, state, stateComplete };
    for (const { resolve } of this.#waiters.splice(0)) resolve(this);
    this.#emitter.emit("joined", joined);
    if (restarted) this.#emitter.emit("restart", joined);
  }
}

const closed = (room: string): ConnectionClosed => new ConnectionClosed(`${room} was closed`);
