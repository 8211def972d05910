/**
 * A subscription: hands out what happened in one room, to callbacks and iterators, and reports how the room is now.
 *
 * The generic types of the public API are put on from outside: see `Connection.subscribe`.
 */

import { ConnectionClosed, type ConnectionFailed, type RoomRefused } from "../errors.js";
import type { Event, Item, JoinedItem } from "../machine/rooms/items.js";
import type { Room } from "../machine/rooms/room.js";
import type { Phase } from "../machine/rooms/room-phase.js";
import { type Beginning, View } from "../machine/rooms/view.js";
import type { ActOptions, Joined, Receipt, RoomStatus, RoomStore, SubscriptionEvents } from "../types.js";
import { Emitter } from "./emitter.js";
import { EventQueue } from "./event-queue.js";
import { settled } from "./settled.js";

/** What a subscription asks of its connection. */
export interface SubscriptionOwner {
  act(room: string, kind: string, data?: unknown, options?: ActOptions): Promise<Receipt>;
  leave(subscription: RoomSubscription): void;
  /** An iterator is behind by too much, or has caught up. */
  pause(subscription: RoomSubscription, isBehind: boolean): void;
}

/** The others have the same names. */
const STATES: Readonly<Partial<Record<Phase, RoomStatus["state"]>>> = {
  wanted: "joining",
  requested: "joining",
  paused: "waiting",
};

export class RoomSubscription extends View {
  readonly machine: Room;
  status: RoomStatus = { state: "joining", error: null };
  readonly #owner: SubscriptionOwner;
  readonly #eventsMax: number;
  readonly #store: RoomStore | null;
  readonly #emitter = new Emitter<SubscriptionEvents>();
  readonly #queues = new Set<EventQueue<Event>>();
  /** What arrived before the first iteration, in case there is one; null once that cannot matter any more. */
  #early: Event[] | null = [];
  #isPaused = false;

  constructor(
    machine: Room,
    beginning: Beginning,
    eventsMax: number,
    store: RoomStore | null,
    owner: SubscriptionOwner,
  ) {
    super(beginning);
    this.machine = machine;
    this.#eventsMax = eventsMax;
    this.#store = store;
    this.#owner = owner;
  }

  get room(): string {
    return this.machine.name;
  }
  joined(): Promise<this> {
    return settled(
      (look) => this.#emitter.on("status", look),
      this,
      () => {
        if (this.status.state === "closed") throw this.status.error ?? new ConnectionClosed(`${this.room} was closed`);
        return this.recovered !== null;
      },
    );
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

  /** Hand out what happened in the room. */
  report(): void {
    const items = this.machine.takeItems();
    for (const item of items) this.apply(item);
    this.#updateStatus();
    if (items.length === 0) return;
    this.#emitter.emit("change", undefined);
    this.#store?.changed(this);
  }

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
  #updateStatus(): void {
    const { phase, trouble } = this.machine;
    this.#setStatus(STATES[phase] ?? (phase as RoomStatus["state"]), phase === "waiting" ? trouble : null);
  }

  /** Nothing follows. Without an error, the user closed the subscription or the connection. */
  end(error: RoomRefused | ConnectionFailed | null): void {
    if (this.status.state === "closed") return;
    for (const queue of this.#queues) queue.end(error);
    this.#queues.clear();
    this.#setStatus("closed", error);
    this.#emitter.emit("change", undefined);
  }

  #setStatus(state: RoomStatus["state"], error: RoomStatus["error"]): void {
    const { status } = this;
    if (status.state === "closed" || (state === status.state && error === status.error)) return;
    this.status = { state, error } as RoomStatus; // only a room that waits or is closed has an error
    this.#emitter.emit("status", this.status);
  }

  #handOut(event: Event): void {
    if (this.#early !== null) {
      if (this.#early.length < this.#eventsMax) this.#early.push(event);
      else this.#early = null;
    }
    for (const queue of this.#queues) queue.push(event);
    if (!this.#isPaused && this.#behind >= this.#eventsMax) {
      this.#isPaused = true;
      this.#owner.pause(this, true);
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
    this.#owner.pause(this, false);
  }

  #reportJoined({ recovered, restarted, moved }: JoinedItem): void {
    this.#updateStatus();
    const { room, state, stateComplete } = this;
    const joined: Joined = { room, recovered, restarted, moved, state, stateComplete };
    this.#emitter.emit("joined", joined);
    if (restarted) this.#emitter.emit("restart", joined);
  }
}
