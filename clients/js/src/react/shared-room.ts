/**
 * One subscription to a room, for all components that use it.
 *
 * Rules:
 *
 * 1. The subscription follows its users in a microtask, once for everything that one commit of React attaches and
 *    detaches. So components that mount together share a subscription that has all they want, and StrictMode, which
 *    unmounts and mounts again at once, sends nothing.
 * 2. A newcomer that wants more than the subscription has (occupancy, say) makes it start over, with what it showed
 *    before until the new one is joined.
 */
import { ConnectionClosed, ConnectionFailed } from "../errors.js";
import type { RoomEvent } from "../room-types.js";
import type { Connection, Subscription } from "../types.js";
import { isSame, lacks, NOT_JOINED, type RoomView, type RoomWants, union, viewOf } from "./room-view.js";

/** A component that uses the room. */
export interface RoomUser {
  readonly wants: RoomWants;
  /** The view is another one. */
  readonly onChange: () => void;
  readonly onEvent: (event: RoomEvent) => void;
}

export class SharedRoom {
  readonly #connection: Connection;
  readonly #room: string;
  readonly #onUnused: () => void;
  readonly #users = new Set<RoomUser>();
  #isSettling = false;
  #subscription: Subscription | null = null;
  #asked: Required<RoomWants> = union([]);
  #events: readonly RoomEvent[] = [];
  #view: RoomView = NOT_JOINED;
  #misuse: unknown = null;

  /** `onUnused` is called once no component has used the room for a moment, after its subscription was closed. */
  constructor(connection: Connection, room: string, onUnused: () => void) {
    this.#connection = connection;
    this.#room = room;
    this.#onUnused = onUnused;
  }

  /** What components see. Throws if the room cannot be subscribed to by a mistake of the application. */
  get view(): RoomView {
    if (this.#misuse !== null) throw this.#misuse;
    return this.#view;
  }

  /** Add a component, until the function that is returned is called. */
  attach(user: RoomUser): () => void {
    this.#users.add(user);
    this.#settleSoon();
    return () => {
      this.#users.delete(user);
      this.#settleSoon();
    };
  }

  #settleSoon(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    queueMicrotask(() => {
      this.#isSettling = false;
      this.#settle();
    });
  }

  #settle(): void {
    if (this.#users.size === 0) {
      this.#subscription?.close();
      this.#subscription = null;
      this.#onUnused();
      return;
    }
    const wanted = union([...this.#users].map((user) => user.wants));
    if (this.#subscription === null) this.#open(wanted);
    else if (this.#subscription.status.state !== "closed" && lacks(this.#asked, wanted)) {
      this.#subscription.close();
      this.#open(wanted);
    }
  }

  #open(wanted: Required<RoomWants>): void {
    this.#asked = wanted;
    try {
      const subscription = this.#connection.subscribe(this.#room, wanted);
      this.#subscription = subscription;
      subscription.on("joined", ({ recovered }) => {
        if (!recovered) this.#events = [];
      });
      subscription.on("event", (event) => this.#take(event));
      subscription.on("change", () => this.#refresh(subscription));
      subscription.on("status", () => this.#refresh(subscription));
      this.#refresh(subscription);
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(event: RoomEvent): void {
    if (this.#asked.last > 0) this.#events = [...this.#events, event].slice(-this.#asked.last);
    for (const user of [...this.#users]) user.onEvent(event);
  }

  /** Show what the subscription has. One that is closed was replaced, and has nothing to say. */
  #refresh(subscription: Subscription): void {
    if (subscription !== this.#subscription) return;
    const { status } = subscription;
    const hasNothing = subscription.recovered === null && status.state !== "closed";
    this.#show(hasNothing ? { ...this.#view, status } : viewOf(subscription, this.#events));
  }

  /** A connection that has ended ends the room; any other error is a mistake of the application, for its boundary. */
  #fail(error: unknown): void {
    if (error instanceof ConnectionFailed || error instanceof ConnectionClosed) {
      this.#show({
        ...this.#view,
        status: { state: "closed", error: error instanceof ConnectionFailed ? error : null },
      });
    } else {
      this.#misuse = error;
      this.#tellUsers();
    }
  }

  #show(view: RoomView): void {
    if (isSame(view, this.#view)) return;
    this.#view = view;
    this.#tellUsers();
  }

  #tellUsers(): void {
    for (const user of [...this.#users]) user.onChange();
  }
}
