/** WebSockets that a test answers by itself, in place of a network. */
import { afterEach, beforeEach, vi } from "vitest";
import { connect } from "../src/connect.js";
import type { Connection, ConnectOptions, WebSocketConstructor } from "../src/types.js";

export type Sent = Record<string, unknown> & { type: string };

export const WELCOME = {
  type: "welcome",
  session: "s",
  edge: "edge-1",
  heartbeat_ms: 25_000,
  limits: { message_bytes_max: 65_536, rooms_max: 100, action_bytes_max: 4_096, actions_window: 32 },
  time: 1_700_000_000_000,
};

export class FakeSocket {
  binaryType = "";
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  readonly protocol = "";
  readonly url: string;
  readonly sent: Sent[] = [];
  isClosed = false;

  constructor(url: string) {
    this.url = url;
  }

  send(data: string | Uint8Array): void {
    this.sent.push(JSON.parse(data as string));
  }

  close(): void {
    this.isClosed = true;
  }

  // What the other side does.

  open(): void {
    this.onopen?.({} as never);
  }

  say(...messages: object[]): void {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) } as never);
  }

  /** Open it, and greet the client. */
  welcome(fields: object = {}): void {
    this.open();
    this.say({ ...WELCOME, ...fields });
  }

  lose(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason } as never);
  }

  /** The last message of a type. */
  last(type: string): Sent | undefined {
    return this.sent.filter((message) => message.type === type).at(-1);
  }
}

/** All sockets that were opened, oldest first, and what opens them. */
export function fakeServer(): { sockets: FakeSocket[]; newest: () => FakeSocket; WebSocket: WebSocketConstructor } {
  const sockets: FakeSocket[] = [];
  const newest = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error("nothing was opened");
    return socket;
  };
  class WebSocket extends FakeSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  return { sockets, newest, WebSocket: WebSocket as unknown as WebSocketConstructor };
}

type FakeServer = ReturnType<typeof fakeServer>;

/** What `fakeServer` returns, another one for each test of a file; and clients of it, under fake timers. */
export function fakeServerOfEachTest(): FakeServer & {
  /** Connect, to be closed after the test. */
  dial: (options?: ConnectOptions, url?: string) => Connection;
  /** Connect, and be welcome. */
  connected: (options?: ConnectOptions) => Promise<Connection>;
} {
  const server = fakeServer();
  const open: Connection[] = [];
  const dial = (options: ConnectOptions = {}, url = "ws://127.0.0.1/ws"): Connection => {
    const connection = connect(url, { WebSocket: server.WebSocket, ...options });
    open.push(connection);
    return connection;
  };
  beforeEach(() => {
    vi.useFakeTimers();
    server.sockets.length = 0;
  });
  afterEach(() => {
    for (const connection of open.splice(0)) connection.close();
    vi.useRealTimers();
  });
  return {
    ...server,
    dial,
    async connected(options) {
      const connection = dial(options);
      await settle();
      server.newest().welcome();
      await settle();
      return connection;
    },
  };
}

/** Let promises run, load what is to be loaded, and let timers run up to now. */
export async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await vi.dynamicImportSettled();
  await vi.advanceTimersByTimeAsync(0);
}

export const event = (offset: number, prev: number | null, data: unknown, key?: string): object => ({
  type: "event",
  room: "a:1",
  offset,
  prev,
  ts: 1_700_000_000_000 + offset,
  data,
  ...(key !== undefined && { key }),
});

export const subscribed = (id: unknown, head: number, fields: object = {}): object => ({
  type: "subscribed",
  room: "a:1",
  epoch: "e",
  head,
  recovered: false,
  id,
  ...fields,
});
