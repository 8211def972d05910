/**
 * A server in memory, at the other end of a scripted WebSocket: it serves rooms as an edge does, and records what it was
 * sent. The SDK above it is the real one.
 */
import type { ConnectOptions, WebSocketLike } from "../../src/types.js";

export interface RoomRequest {
  readonly room: string;
  readonly after?: number;
  readonly last?: number;
  readonly occupancy?: boolean;
}

interface Message {
  readonly type: string;
  readonly id?: number;
  readonly rooms?: readonly (RoomRequest | string)[];
}

interface WireEvent {
  readonly type: "event";
  readonly room: string;
  readonly offset: number;
  readonly prev: number | null;
  readonly ts: number;
  readonly data: unknown;
  readonly key?: string;
}

const LIMITS = {
  message_bytes_max: 65_536,
  rooms_max: 100,
  action_bytes_max: 4096,
  actions_window: 64,
  actions_burst: 64,
  action_interval_ms: 1,
};

export class Wire {
  /** Everything that clients have sent, in order. */
  readonly sent: Message[] = [];
  /** Errors that answer subscribes, by room. */
  readonly refused = new Map<string, string>();
  /** False: subscribes are recorded, and answered by `answer`. */
  answersAtOnce = true;
  readonly #logs = new Map<string, WireEvent[]>();
  readonly #sockets = new Set<Socket>();
  readonly #unanswered: (() => void)[] = [];

  /** Options that connect to this server. */
  get options(): ConnectOptions {
    const accept = (socket: Socket): unknown => this.#sockets.add(socket);
    const receive = (socket: Socket, message: Message): void => this.#receive(socket, message);
    return {
      WebSocket: class extends Socket {
        constructor() {
          super(accept, receive);
        }
      },
    };
  }

  /** How many connections are open. */
  get connections(): number {
    return [...this.#sockets].filter(({ isOpen }) => isOpen).length;
  }

  /** The types of the messages of clients, and the rooms in them: "subscribe match:1". */
  get conversation(): string[] {
    return this.sent.map(({ type, rooms = [] }) =>
      [type, ...rooms.map((each) => (typeof each === "string" ? each : each.room))].join(" "),
    );
  }

  /** Every request for a room so far. */
  requests(room: string): RoomRequest[] {
    const asked = this.sent.filter(({ type }) => type === "subscribe").flatMap(({ rooms = [] }) => rooms);
    return asked.filter((each): each is RoomRequest => typeof each !== "string" && each.room === room);
  }

  /** Append an event to a room, and send it to those who are in it. */
  publish(room: string, data: unknown, key?: string): void {
    const log = this.#log(room);
    const prev = log.at(-1)?.offset ?? null;
    const event: WireEvent = {
      type: "event",
      room,
      offset: (prev ?? 0) + 1,
      prev,
      ts: 1,
      data,
      ...(key ? { key } : {}),
    };
    log.push(event);
    this.send(room, event);
  }

  /** Send a message to those who are in a room. */
  send(room: string, message: object): void {
    for (const socket of this.#sockets) if (socket.rooms.has(room)) socket.deliver(message);
  }

  /** Cut every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.cut();
  }

  /** Answer the subscribes that wait. */
  answer(): void {
    for (const each of this.#unanswered.splice(0)) each();
  }

  #log(room: string): WireEvent[] {
    const log = this.#logs.get(room) ?? [];
    this.#logs.set(room, log);
    return log;
  }

  #receive(socket: Socket, message: Message): void {
    this.sent.push(message);
    if (message.type === "hello") {
      const welcome = { session: "s", edge: "edge-1", heartbeat_ms: 3_600_000, limits: LIMITS, time: Date.now() };
      socket.deliver({ type: "welcome", ...welcome });
    } else if (message.type === "subscribe") {
      for (const request of message.rooms as RoomRequest[]) {
        const join = (): void => this.#join(socket, request, message.id);
        if (this.answersAtOnce) join();
        else this.#unanswered.push(join);
      }
    } else if (message.type === "unsubscribe") {
      for (const room of message.rooms as string[]) {
        socket.rooms.delete(room);
        socket.deliver({ type: "unsubscribed", room, id: message.id });
      }
    } else if (message.type === "action") socket.deliver({ type: "ack", id: message.id });
  }

  #join(socket: Socket, { room, after, last = 0 }: RoomRequest, id: number | undefined): void {
    const code = this.refused.get(room);
    if (code !== undefined) {
      socket.deliver({ type: "error", code, message: "no", room, id });
      return;
    }
    socket.rooms.add(room);
    const log = this.#log(room);
    const head = log.at(-1)?.offset ?? 0;
    const joined = { type: "subscribed", room, epoch: "e", head, recovered: after !== undefined, id };
    if (after !== undefined) {
      socket.deliver(joined);
      for (const event of log.filter(({ offset }) => offset > after)) socket.deliver(event);
    } else {
      const state = new Map(log.filter(({ key }) => key !== undefined).map((event) => [event.key, event]));
      socket.deliver({ ...joined, state: [...state.values()], recent: last > 0 ? log.slice(-last) : [] });
    }
  }
}

class Socket implements WebSocketLike {
  binaryType = "blob";
  readonly protocol = "touchline.v1.json";
  readonly rooms = new Set<string>();
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  isOpen = true;
  readonly #receive: (socket: Socket, message: Message) => void;

  constructor(accept: (socket: Socket) => unknown, receive: (socket: Socket, message: Message) => void) {
    accept(this);
    this.#receive = receive;
    queueMicrotask(() => this.#call(this.onopen, {}));
  }

  send(data: string | Uint8Array): void {
    if (!this.isOpen) throw new Error("sent to a socket that is not open");
    this.#receive(this, JSON.parse(String(data)));
  }

  close(): void {
    this.isOpen = false;
    this.rooms.clear();
  }

  cut(): void {
    if (!this.isOpen) return;
    this.close();
    this.#call(this.onclose, { code: 1006, reason: "" });
  }

  /** What arrives comes in a task of its own, as on a network. */
  deliver(message: object): void {
    setTimeout(() => {
      if (this.isOpen) this.#call(this.onmessage, { data: JSON.stringify(message) });
    });
  }

  #call(listener: ((event: never) => unknown) | null, event: object): void {
    listener?.(event as never);
  }
}
