/**
 * One room that a client follows: what it asks for, and which of the server's messages are about it. `Reading` knows
 * what they mean for the room's log.
 *
 * Each subscribe has an id. Until the server answers under that id, any message about the room belongs to an older
 * subscription and is ignored.
 */

import { RoomRefused } from "../../errors.js";
import type {
  ErrorMessage,
  EventMessage,
  PresenceMessage,
  Replayed,
  RoomRequest,
  Skipped,
  Subscribed,
} from "../messages.js";
import type { Cursor } from "./cursor.js";
import type { Item } from "./items.js";
import { Presence } from "./presence.js";
import { Reading } from "./reading.js";
import { nextPhase, type Phase, type RoomInput } from "./room-phase.js";

/** What a room is asked for with. */
export interface RoomOptions {
  readonly after: Cursor | null;
  readonly last: number;
  readonly deliver: "all" | "latest";
  readonly occupancy: boolean;
  readonly members: boolean;
}

export type RoomMessage = Subscribed | EventMessage | Skipped | Replayed | PresenceMessage;

export class Room {
  readonly name: string;
  phase: Phase = "wanted";
  /** The id of the last subscribe that was sent. */
  requestId: number | null = null;
  /** How often in a row the server refused the room for now. */
  retries = 0;
  /** When to ask again, in the phase `waiting`. */
  retryAt = 0;
  readonly #reading: Reading;
  readonly #presence = new Presence();
  readonly #options: RoomOptions;
  #last: number;

  constructor(name: string, options: RoomOptions) {
    this.name = name;
    this.#options = options;
    this.#last = options.last;
    this.#reading = new Reading(options.after);
  }

  /** Follow the table of phases. */
  move(input: RoomInput): void {
    this.phase = nextPhase(this.phase, input);
    if (this.phase !== "joined") this.#reading.leave();
  }

  /** Whether the server may count this client among the room's, so that it has to unsubscribe to leave. */
  get isOnServer(): boolean {
    return this.phase === "requested" || this.phase === "joined";
  }

  /** What to ask for now. Defaults are left out. */
  get request(): RoomRequest {
    const { deliver, occupancy, members } = this.#options;
    const { cursor } = this.#reading;
    return {
      room: this.name,
      ...(cursor !== null && { epoch: cursor.epoch, after: cursor.offset }),
      ...(cursor !== null && cursor.ts !== null && { ts: cursor.ts }),
      ...(this.#last > 0 && { last: this.#last }),
      ...(deliver === "latest" && { deliver }),
      ...(occupancy && { occupancy }),
      ...(members && { members }),
    };
  }

  requestSent(id: number): void {
    this.requestId = id;
    this.move("sent");
  }

  /** The server refused the room. `retryAt` is when to ask again; null gives up. */
  refused({ code, message }: ErrorMessage, retryAt: number | null): Item[] {
    if (retryAt !== null) {
      this.retries += 1;
      this.retryAt = retryAt;
      this.move("retry");
      return [];
    }
    this.move("giveUp");
    return [{ type: "refused", error: new RoomRefused(this.name, code, message) }];
  }

  receive(message: RoomMessage): Item[] {
    if (message.type === "subscribed") return this.#subscribed(message);
    if (this.phase !== "joined") return [];
    const items = this.#apply(message);
    this.#moveIfAsksAgain();
    return items;
  }

  #apply(message: Exclude<RoomMessage, Subscribed>): Item[] {
    switch (message.type) {
      case "event":
        return this.#reading.event(message);
      case "skipped":
        return this.#reading.skipped(message);
      case "replayed":
        return this.#reading.replayed(message);
      default:
        return [this.#presence.receive(message) ?? []].flat();
    }
  }

  #subscribed(message: Subscribed): Item[] {
    if (this.phase === "requested") {
      if (message.id !== this.requestId) return [];
    } else if (this.phase !== "joined" || message.id !== null) {
      return [];
    } else if (this.#reading.mayGoOn(message)) {
      this.move("again"); // with its cursor, for which a place may be found in the other log
      return [];
    }
    this.move("subscribed");
    this.retries = 0;
    this.#last = 0;
    return this.#reading.subscribed(message);
  }

  #moveIfAsksAgain(): void {
    if (!this.#reading.asksAgain) return;
    this.#reading.asksAgain = false;
    this.move("again");
  }
}
