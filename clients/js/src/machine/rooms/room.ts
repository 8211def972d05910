/**
 * One room that a client follows: what it asks for, and which of the server's messages are about it. `Reading` knows
 * what they mean for the room's log.
 *
 * Each subscribe has an id. Until the server answers under that id, any message about the room belongs to an older
 * subscription and is ignored.
 */

import { type LoadFailed, RoomRefused } from "../../errors.js";
import type {
  ErrorMessage,
  EventMessage,
  MembersChanged,
  MembersMessage,
  PresenceMessage,
  Replayed,
  RoomRequest,
  Skipped,
  Subscribed,
} from "../messages.js";
import type { Cursor } from "./cursor.js";
import type { Item } from "./items.js";
import { Reading, type StartSearch } from "./reading.js";
import type { Phase } from "./room-phase.js";

/** What a room is asked for with, besides the cursor. Defaults are left out. */
export type RoomWants = Pick<RoomRequest, "last" | "deliver" | "occupancy" | "members">;

/** What few rooms need: extras.ts. */
export interface RoomExtras {
  readonly startSearch: StartSearch;
  createMembers(): { receive(message: MembersMessage | MembersChanged): Item | null };
}

/** Shared by all rooms: the extras, once they are loaded. */
export interface LoadedExtras {
  extras: RoomExtras | null;
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
  readonly #loaded: LoadedExtras;
  /** Why it waits, if that is not the server's wish. */
  trouble: LoadFailed | null = null;
  #needsExtras: boolean;
  #members: ReturnType<RoomExtras["createMembers"]> | undefined;
  readonly #items: Item[] = [];
  #wants: RoomWants;

  constructor(name: string, after: Cursor | null, wants: RoomWants, loaded: LoadedExtras) {
    this.name = name;
    this.#loaded = loaded;
    this.#needsExtras = wants.members ?? false;
    this.#wants = wants;
    this.#reading = new Reading(after);
  }

  move(phase: Phase): void {
    this.phase = phase;
    if (phase !== "joined") this.#reading.leave();
  }

  /** Whether the server may count this client among the room's, so that it has to unsubscribe to leave. */
  get isOnServer(): boolean {
    return this.phase === "requested" || this.phase === "joined";
  }

  /** Whether it cannot be asked for before the extras are loaded. */
  get lacksExtras(): boolean {
    return this.phase === "wanted" && this.#needsExtras && this.#loaded.extras === null;
  }

  /** What to ask for now. */
  get request(): RoomRequest {
    const { cursor } = this.#reading;
    return {
      room: this.name,
      ...(cursor && { epoch: cursor.epoch, after: cursor.offset }),
      ...(cursor?.ts != null && { ts: cursor.ts }),
      ...this.#wants,
    };
  }

  requestSent(id: number): void {
    this.requestId = id;
    this.move("requested");
  }

  /** The server refused the room. `retryAt` is when to ask again; null gives up. */
  refused({ code, message }: ErrorMessage, retryAt: number | null): void {
    if (retryAt !== null) {
      this.retry(retryAt);
      return;
    }
    this.move("closed");
    this.#items.push({ type: "refused", error: new RoomRefused(this.name, code, message) });
  }

  /** Ask for the room then. */
  retry(at: number, trouble: LoadFailed | null = null): void {
    this.retries += 1;
    this.retryAt = at;
    this.trouble = trouble;
    this.move("waiting");
  }

  receive(message: RoomMessage): void {
    this.#items.push(...this.#apply(message));
    if (!this.#reading.asksAgain) return;
    this.#reading.asksAgain = false;
    this.move("wanted");
  }

  /** What happened, in order. */
  takeItems(): Item[] {
    return this.#items.splice(0);
  }

  #apply(message: RoomMessage): Item[] {
    if (message.type === "subscribed") return this.#subscribed(message);
    if (this.phase !== "joined") return [];
    switch (message.type) {
      case "event":
        return this.#reading.event(message);
      case "skipped":
        return this.#reading.skipped(message);
      case "replayed":
        return this.#reading.replayed(message);
      case "occupancy": {
        const { room, viewers, complete } = message;
        return [{ type: "occupancy", occupancy: { room, viewers, complete } }];
      }
      default:
        this.#members ??= this.#loaded.extras?.createMembers();
        return [this.#members?.receive(message) ?? []].flat();
    }
  }

  #subscribed(message: Subscribed): Item[] {
    if (this.phase === "requested") {
      if (message.id !== this.requestId) return [];
    } else if (this.phase !== "joined" || message.id !== null) {
      return [];
    } else if (this.#reading.mayGoOn(message)) {
      this.move("wanted"); // with its cursor, for which a place may be found in the other log
      return [];
    }
    const startSearch = this.#loaded.extras?.startSearch;
    if (!startSearch && this.#reading.needsSearch(message)) {
      this.#needsExtras = true;
      this.move("wanted"); // with its cursor, once they are loaded: until then nothing has been read
      return [];
    }
    this.move("joined");
    this.retries = 0;
    this.#wants = { ...this.#wants };
    delete this.#wants.last;
    return this.#reading.subscribed(message, startSearch);
  }
}
