/** The rooms of a connection that components use, by name. */
import type { Connection } from "../types.js";
import { NOT_JOINED, type RoomView } from "./room-view.js";
import { type RoomUser, SharedRoom } from "./shared-room.js";

export class Rooms {
  readonly #connection: Connection;
  readonly #rooms = new Map<string, SharedRoom>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** What components see of a room now. Rendering calls this, so it changes nothing. */
  view(room: string): RoomView {
    return this.#rooms.get(room)?.view ?? NOT_JOINED;
  }

  /** Use a room, until the function that is returned is called. */
  attach(room: string, user: RoomUser): () => void {
    let shared = this.#rooms.get(room);
    if (shared === undefined) {
      shared = new SharedRoom(this.#connection, room, () => this.#rooms.delete(room));
      this.#rooms.set(room, shared);
    }
    return shared.attach(user);
  }
}

const roomsByConnection = new WeakMap<Connection, Rooms>();

/** The rooms of a connection: the same ones under every provider of it. */
export function roomsOf(connection: Connection): Rooms {
  let rooms = roomsByConnection.get(connection);
  if (rooms === undefined) {
    rooms = new Rooms(connection);
    roomsByConnection.set(connection, rooms);
  }
  return rooms;
}
