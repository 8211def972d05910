/** A simulated server: what it answers to one client, by the protocol, and which mistakes and faults it can have. */

import type { Action, ClientMessage, RoomRequest } from "../../src/machine/messages.js";
import type { Log, LoggedEvent } from "./log.js";
import type { Scheduler } from "./scheduler.js";

const HEARTBEAT_MS = 25_000;
const MOVE_MARGIN_MS = 10_000;

/** What the network does for a connection: passes messages on, in order, until it is cut. */
export interface Wire {
  toClient(message: object): void;
  close(code: number, reason: string): void;
}

export interface Fleet {
  readonly log: Log;
  readonly time: Scheduler;
  readonly connections: Set<Connection>;
  /** Rooms cannot be served, and the log takes no actions, until this time. */
  unavailableUntil: number;
}

export class Connection {
  readonly #fleet: Fleet;
  readonly #wire: Wire;
  readonly #rooms = new Set<string>();
  #session = "";
  #expected = 1; // the next action's id
  #isOver = false;
  /** The next events that this connection leaves out, which no server does: a client has to find out. */
  losesNext = 0;

  constructor(fleet: Fleet, wire: Wire) {
    this.#fleet = fleet;
    this.#wire = wire;
    fleet.connections.add(this);
  }

  receive(message: ClientMessage): void {
    if (this.#isOver) return;
    if (message.type === "hello") this.#welcome(message.session);
    else if (message.type === "subscribe") for (const room of message.rooms) this.#join(room, message.id);
    else if (message.type === "unsubscribe") for (const room of message.rooms) this.#leave(room);
    else if (message.type === "action") this.#act(message);
    else this.#send({ type: "refreshed", expires: this.#fleet.time.now + 3_600_000, id: message.id });
  }

  /** A new event of the log. */
  deliver(room: string, event: LoggedEvent, before: LoggedEvent | undefined): void {
    if (!this.#rooms.has(room)) return;
    if (this.losesNext > 0) this.losesNext -= 1;
    else this.#send(messageOf(room, event, before?.offset ?? null));
  }

  /** Send the newest events of every room once more. */
  repeat(count: number): void {
    for (const room of this.#rooms) {
      const events = this.#fleet.log.eventsOf(room);
      for (const [index, event] of [...events.entries()].slice(-count)) {
        this.#send(messageOf(room, event, events[index - 1]?.offset ?? null));
      }
    }
  }

  goAway(reconnectMs: number, drainMs: number): void {
    this.#send({ type: "goaway", reconnect_ms: reconnectMs, reason: "draining" });
    this.#fleet.time.in(drainMs, () => this.close(1001, "going_away"));
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.end();
    this.#wire.close(code, reason);
  }

  /** The connection is lost, as far as the server knows. */
  end(): void {
    this.#isOver = true;
    this.#fleet.connections.delete(this);
  }

  #send(message: object): void {
    if (!this.#isOver) this.#wire.toClient(message);
  }

  #beat(): void {
    if (this.#isOver) return;
    this.#send({ type: "beat" });
    this.#fleet.time.in(HEARTBEAT_MS, () => this.#beat());
  }

  #welcome(session: string | undefined): void {
    const { now } = this.#fleet.time;
    this.#session = session ?? `session-${now}`;
    // A server of another log of sessions: it knows none of the earlier ids.
    this.#expected = 0;
    const limits = {
      message_bytes_max: 65_536,
      rooms_max: 100,
      action_bytes_max: 4_096,
      actions_window: 8,
      actions_burst: 8,
      action_interval_ms: 50,
    };
    const expires = now + 300_000;
    const session_ = this.#session;
    const welcome = { type: "welcome", session: session_, edge: "e", heartbeat_ms: HEARTBEAT_MS, limits, time: now };
    this.#send({ ...welcome, player: "ada", expires });
    this.#beat();
  }

  #leave(room: string): void {
    if (this.#rooms.delete(room)) this.#send({ type: "unsubscribed", room });
    else this.#send({ type: "error", code: "not_subscribed", message: "not in the room", room });
  }

  #join(request: RoomRequest, id: number): void {
    const { room } = request;
    const { log, time, unavailableUntil } = this.#fleet;
    if (this.#rooms.has(room)) {
      this.#send({ type: "error", code: "already_subscribed", message: "in the room", room, id });
      return;
    }
    if (time.now < unavailableUntil) {
      this.#send({ type: "error", code: "unavailable", message: "later", room, id });
      return;
    }
    this.#rooms.add(room);
    const { epoch } = log;
    const events = log.eventsOf(room);
    const head = events.at(-1)?.offset ?? -1;
    const answer = { type: "subscribed", room, epoch, head, id };
    if (request.epoch === epoch && request.after !== undefined) {
      this.#send({ ...answer, recovered: true });
      this.#catchUp(request, request.after);
      return;
    }
    const state = log.stateOf(room).map((event) => messageOf(room, event, null));
    const fresh = { ...answer, recovered: false, state, ...(events.length > 0 && { ts: events.at(-1)?.ts }) };
    if (request.ts === undefined) {
      const recent = events.slice(events.length - (request.last ?? 0)).map((event) => messageOf(room, event, null));
      this.#send({ ...fresh, ...((request.last ?? 0) > 0 && { recent }) });
      return;
    }
    const { ts } = request;
    const after = events.filter((event) => event.ts < ts - MOVE_MARGIN_MS).at(-1)?.offset ?? -1;
    this.#send({ ...fresh, after, by_time: true });
    this.#catchUp({ ...request, deliver: undefined } as unknown as RoomRequest, after);
    this.#send({ type: "replayed", room, to: head, ...(events.length > 0 && { ts: events.at(-1)?.ts }) });
  }

  #catchUp({ room, deliver }: RoomRequest, after: number): void {
    const events = this.#fleet.log.eventsOf(room);
    const newest = new Map(events.map((event) => [event.key, event]));
    let skipped: LoggedEvent[] = [];
    for (const [index, event] of events.entries()) {
      if (event.offset <= after) continue;
      if (deliver === "latest" && event.key !== null && newest.get(event.key) !== event) {
        skipped.push(event);
        continue;
      }
      this.#skip(room, skipped);
      skipped = [];
      this.#send(messageOf(room, event, events[index - 1]?.offset ?? null));
    }
  }

  #skip(room: string, events: readonly LoggedEvent[]): void {
    const [first, last] = [events[0], events.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#send({ type: "skipped", room, from: first.offset, to: last.offset, count: events.length });
  }

  /** Actions are taken in the order of their ids, by the rules of "Acting". */
  #act({ id, kind, prev = id - 1 }: Action): void {
    const { log, time, unavailableUntil } = this.#fleet;
    if (this.#expected === 0) this.#expected = id; // the first id says where the client is
    if (time.now < unavailableUntil) {
      this.#send({ type: "nack", id, code: "log_unavailable", message: "later", retry_ms: 200 });
      this.#expected = Math.min(this.#expected, id);
    } else if (id < this.#expected) {
      this.#send({ type: "nack", id, code: "duplicate_id", message: "in the log" });
    } else if (prev >= this.#expected) {
      this.#send({ type: "nack", id, code: "id_gap", message: "out of order", retry_ms: 100 });
    } else {
      this.#expected = id + 1;
      log.actions.push({ session: this.#session, id, kind });
      this.#send({ type: "ack", id });
    }
  }
}

export function messageOf(room: string, { offset, key, ts, data }: LoggedEvent, prev: number | null): object {
  return { type: "event", room, offset, prev, ts, data, ...(key !== null && { key }) };
}
