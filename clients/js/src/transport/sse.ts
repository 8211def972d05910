/**
 * A link over server-sent events, for watching where WebSockets are blocked: each room is a stream of its own.
 *
 * To the session it looks like any other server: this module answers its `hello`, opens a stream for each room that it
 * subscribes to, and makes messages of what becomes of them. It is loaded when it is needed.
 *
 * - A stream that ends, since its server is stopping or the client was too slow, is an `unavailable` of its room.
 * - A stream that breaks, and one that nothing has come from for long, is a lost connection: so will the others be.
 * - A refused token closes the link with the code that a WebSocket would have been closed with.
 */

import { CloseCode } from "../codes.js";
import { type ClientMessage, type RoomRequest, WATCHING_ONLY } from "../machine/messages.js";
import { formatCursor } from "../machine/rooms/cursor.js";
import { EventStream, type StreamItem } from "./event-stream.js";
import type { Link, LinkEvents } from "./link.js";

export interface StreamEndpoint {
  /** That of the WebSocket, with http in place of ws. Rooms are beside it. */
  readonly url: string;
  readonly fetch: typeof fetch;
}

/** Over HTTP/1.1 a browser opens six connections to a host, over all its tabs: one is left for the page. */
const STREAMS_MAX = 5;
const FULL_RETRY_MS = 30_000;
/** Servers send a beat every 25 s by default. */
const SILENT_MS_MAX = 90_000;
const SILENT_CLOSES: readonly number[] = [CloseCode.GOING_AWAY, CloseCode.TOO_SLOW, CloseCode.NORMAL];

export function openEventStreams(endpoint: StreamEndpoint, events: LinkEvents): Link {
  return new StreamLink(endpoint, events);
}

class StreamLink implements Link {
  readonly #endpoint: StreamEndpoint;
  readonly #events: LinkEvents;
  readonly #streams = new Map<string, AbortController>();
  #token: string | undefined;
  #isOver = false;

  constructor(endpoint: StreamEndpoint, events: LinkEvents) {
    this.#endpoint = endpoint;
    this.#events = events;
    void this.#probe();
  }

  send(message: ClientMessage): void {
    if (message.type === "hello") {
      this.#token = message.token;
      queueMicrotask(() => this.#receive(welcome(this.#endpoint.url)));
    } else if (message.type === "subscribe") {
      for (const room of message.rooms) this.#join(room, message.id);
    } else if (message.type === "unsubscribe") {
      for (const room of message.rooms) this.#leave(room);
    }
  }

  close(): void {
    this.#isOver = true;
    for (const room of [...this.#streams.keys()]) this.#leave(room);
  }

  /** Whether the server can be reached: it answers plain HTTP at the WebSocket's address with 426, and elsewhere 404. */
  async #probe(): Promise<void> {
    try {
      const { status } = await this.#endpoint.fetch(this.#endpoint.url, { mode: "no-cors", cache: "no-store" });
      if (status === 404 || status >= 500) throw new Error(`the server answered with ${status}`);
      if (!this.#isOver) this.#events.opened();
    } catch (error) {
      this.#lose(error);
    }
  }

  #join(request: RoomRequest, id: number): void {
    if (this.#streams.size >= STREAMS_MAX) {
      const message = `only ${STREAMS_MAX} rooms can be watched without a WebSocket`;
      this.#refuse(request.room, id, "unavailable", message, FULL_RETRY_MS);
      return;
    }
    const abort = new AbortController();
    this.#streams.set(request.room, abort);
    const stream = new RoomStream(request.room, id);
    void this.#follow(request, stream, abort).catch((error: unknown) => {
      if (!abort.signal.aborted) this.#lose(error);
    });
  }

  #leave(room: string): void {
    this.#streams.get(room)?.abort();
    this.#streams.delete(room);
  }

  async #follow(request: RoomRequest, stream: RoomStream, abort: AbortController): Promise<void> {
    const silence = new Silence(() => {
      abort.abort();
      this.#lose(new Error("the stream was silent for too long"));
    });
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (this.#token !== undefined) headers["authorization"] = `Bearer ${this.#token}`;
      const url = streamUrl(this.#endpoint.url, request);
      const response = await this.#endpoint.fetch(url, { headers, signal: abort.signal, cache: "no-store" });
      if (!response.ok || response.body === null) return await this.#refused(response, stream);
      const parser = new EventStream();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        silence.end();
        silence.begin();
        for (const item of parser.push(decoder.decode(read.value, { stream: true }))) this.#handle(item, stream);
      }
      if (this.#streams.get(stream.room) !== abort) return;
      this.#refuse(stream.room, stream.id, "unavailable", "the stream has ended", stream.retryMs);
    } finally {
      silence.end();
    }
  }

  #handle(item: StreamItem, stream: RoomStream): void {
    if (!this.#streams.has(stream.room)) return;
    if (item.type === "retry") stream.retryMs = item.retryMs;
    else if (item.type === "comment") this.#comment(item.text);
    else {
      const message = stream.read(item.data);
      if (message !== null) this.#receive(message);
    }
  }

  /** `beat`, or `close <code> <name>` before the end of a stream. */
  #comment(text: string): void {
    const code = Number(/^close (\d+)/.exec(text)?.[1] ?? CloseCode.NORMAL);
    if (!SILENT_CLOSES.includes(code)) this.#closed(code, text.split(" ")[2] ?? "");
  }

  /** The answer is not a stream. */
  async #refused(response: Response, { room, id }: RoomStream): Promise<void> {
    const { status } = response;
    const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
    const { code = `http_${status}`, message = `the server answered with ${status}` } = body?.error ?? {};
    const retryMs = Number(response.headers.get("retry-after") ?? Number.NaN) * 1000;
    if (status === 401) {
      this.#receive({ type: "error", code, message });
      this.#closed(...(TOKEN_CLOSES[code] ?? UNAUTHORIZED));
    } else {
      const isLater = status === 429 || status >= 500;
      this.#refuse(room, id, isLater ? "unavailable" : code, message, Number.isFinite(retryMs) ? retryMs : null);
    }
  }

  #refuse(room: string, id: number | null, code: string, message: string, retryMs: number | null): void {
    this.#leave(room);
    this.#receive({ type: "error", code, message, room, id, retry_ms: retryMs });
  }

  #receive(message: object): void {
    if (!this.#isOver) this.#events.received(message);
  }

  #lose(error: unknown): void {
    this.#closed(CloseCode.ABNORMAL, error instanceof Error ? error.message : String(error));
  }

  #closed(code: number, reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.#events.closed(code, reason);
  }
}

/** One room's stream, up to now. */
class RoomStream {
  readonly room: string;
  /** The id of the subscribe that waits for its answer; null once that has come. */
  id: number | null;
  retryMs: number | null = null;

  constructor(room: string, id: number) {
    this.room = room;
    this.id = id;
  }

  /** The message as it would be on a WebSocket; null for one that the end of the stream makes up for. */
  read(data: string): object | null {
    const message = parse(data);
    const type = message?.["type"];
    if (type === "goaway" || (type === "error" && message?.["code"] === "unavailable")) return null;
    if (type !== "subscribed" && type !== "error") return message ?? {};
    const { room, id } = this;
    this.id = null;
    return { ...message, room, id };
  }
}

/** Ends a stream that nothing has come from for long. */
class Silence {
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
    this.begin();
  }

  begin(): void {
    this.#timer = setTimeout(this.#onSilence, SILENT_MS_MAX);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** The closes of a WebSocket after errors about the token. */
type Close = readonly [code: number, name: string];
const UNAUTHORIZED: Close = [CloseCode.UNAUTHORIZED, "unauthorized"];
const TOKEN_CLOSES: Readonly<Record<string, Close>> = {
  token_expired: [CloseCode.TOKEN_EXPIRED, "token_expired"],
  token_key_unknown: [CloseCode.TOKEN_KEY_UNKNOWN, "token_key_unknown"],
};

function parse(data: string): Record<string, unknown> | null {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** The room's address, beside that of the WebSocket. */
function streamUrl(base: string, { room, epoch, after, ts, ...others }: RoomRequest): string {
  const url = new URL(`v1/rooms/${encodeURIComponent(room)}/events`, base);
  if (epoch !== undefined && after !== undefined) {
    url.searchParams.set("after", formatCursor({ epoch, offset: after, ts: ts ?? null }));
  }
  for (const [name, value] of Object.entries(others)) url.searchParams.set(name, String(value));
  return url.href;
}

/** What a server's welcome would say. Each stream has its own beats, so silence is watched here. */
const welcome = (url: string): object => ({
  type: "welcome",
  session: "",
  edge: new URL(url).host,
  heartbeat_ms: 0,
  limits: { message_bytes_max: Number.MAX_SAFE_INTEGER, rooms_max: STREAMS_MAX, actions_window: WATCHING_ONLY },
  time: Date.now(),
});
