/** Which transport is used, and server-sent events as a link: with answers that a test gives in place of a network. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect } from "../src/connect.js";
import { TransportChoice } from "../src/transport/choice.js";
import type { Link, LinkEvents } from "../src/transport/link.js";
import { openEventStreams } from "../src/transport/sse.js";
import { Trial } from "../src/transport/trial.js";
import { fakeServer, WELCOME } from "./fake-server.js";

const FALLBACK = "../src/transport/fallback.js";

describe("the choice of a transport", () => {
  it("is the other one after two failed WebSockets, and then in turn", () => {
    const choice = new TransportChoice("auto");
    const used = Array.from({ length: 5 }, () => {
      const { current } = choice;
      choice.failed();
      return current;
    });
    expect(used).toEqual(["websocket", "websocket", "sse", "websocket", "sse"]);
  });

  it("takes longer to leave WebSockets that have worked", () => {
    const choice = new TransportChoice("auto");
    choice.opened();
    for (let failure = 0; failure < 3; failure++) choice.failed();
    expect(choice.current).toBe("websocket");
    choice.failed();
    expect(choice.current).toBe("sse");
  });

  it("tries WebSockets on the side, less and less often, and returns to them", () => {
    vi.useFakeTimers();
    const choice = new TransportChoice("auto");
    choice.failed();
    choice.failed();
    choice.opened();
    const tries: [number, LinkEvents][] = [];
    const begin = Date.now();
    const open = (events: LinkEvents): Link => {
      tries.push([Date.now() - begin, events]);
      return { send: () => {}, close: () => {} };
    };
    const succeeded = vi.fn();
    new Trial(choice, open, succeeded).start();
    for (const waitMs of [15_000, 30_000, 60_000]) {
      vi.advanceTimersByTime(waitMs);
      if (waitMs < 60_000) tries.at(-1)?.[1].closed(1006, "");
    }
    expect(tries.map(([at]) => at)).toEqual([15_000, 45_000, 105_000]);
    expect(choice.current).toBe("sse");
    tries.at(-1)?.[1].opened();
    expect(choice.current).toBe("websocket");
    expect(succeeded).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it.each(["websocket", "sse"] as const)("never changes if it is %s", (name) => {
    const choice = new TransportChoice(name);
    for (let failure = 0; failure < 9; failure++) choice.failed();
    expect([choice.current, choice.isAuto]).toEqual([name, false]);
  });
});

/** A server that answers HTTP requests as a test says: one that is not a probe gets a stream, or the refusal. */
class FakeHttp {
  readonly requests: { url: string; authorization: string | null }[] = [];
  refusal: Response | null = null;
  /** What went into the link. */
  readonly reports: unknown[] = [];
  #streams: ReadableStreamDefaultController<Uint8Array>[] = [];

  readonly fetch = (async (input: string, init: RequestInit = {}) => {
    if (init.mode === "no-cors") return new Response(null, { status: 426 });
    this.requests.push({ url: input, authorization: new Headers(init.headers).get("authorization") });
    if (this.refusal !== null) return this.refusal;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#streams.push(controller);
        init.signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }) as typeof fetch;

  say(text: string, stream = 0): void {
    this.#streams[stream]?.enqueue(new TextEncoder().encode(text));
  }

  end(stream = 0): void {
    this.#streams[stream]?.close();
  }

  break(stream = 0): void {
    this.#streams[stream]?.error(new Error("reset"));
  }
}

describe("a link of server-sent events", () => {
  const settle = (): Promise<unknown> =>
    vi.waitFor(() => expect(true).toBe(true)).then(() => new Promise((done) => setTimeout(done, 5)));

  async function linked() {
    const http = new FakeHttp();
    const link = openEventStreams(
      { url: "https://example.org/live/ws", fetch: http.fetch },
      {
        opened: () => http.reports.push("opened"),
        received: (message) => http.reports.push(message),
        closed: (code, reason) => http.reports.push(["closed", code, reason]),
      },
    );
    await settle();
    link.send({ type: "hello", token: "t" });
    await settle();
    return { http, link };
  }

  it("opens a stream beside the WebSocket's address, with the cursor and the token", async () => {
    const { http, link } = await linked();
    expect(http.reports).toMatchObject(["opened", { type: "welcome" }]);
    const rooms = [
      { room: "a:b/c", epoch: "e", after: 7, ts: 9, deliver: "latest" as const, occupancy: true as const },
    ];
    link.send({ type: "subscribe", rooms, id: 4 });
    await settle();
    const url = "https://example.org/live/v1/rooms/a%3Ab%2Fc/events?after=e.7.9&deliver=latest&occupancy=true";
    expect(http.requests).toEqual([{ url, authorization: "Bearer t" }]);
    link.close();
  });

  it("answers under the id of the subscribe, and starts over without one", async () => {
    const { http, link } = await linked();
    link.send({ type: "subscribe", rooms: [{ room: "a:1" }], id: 4 });
    await settle();
    http.say(
      'retry: 1500\n\ndata: {"type":"subscribed","room":"a:1","epoch":"e","head":1,"recovered":false}\n\n: beat\n\n',
    );
    http.say('data: {"type":"subscribed","room":"a:1","epoch":"f","head":1,"recovered":false}\n\n');
    await settle();
    expect(http.reports.slice(2)).toMatchObject([
      { type: "subscribed", id: 4 },
      { type: "subscribed", id: null },
    ]);
    http.say('retry: 1000\ndata: {"type":"goaway","reconnect_ms":0,"reason":"x"}\n\n: close 1001 going_away\n\n');
    http.end();
    await settle();
    expect(http.reports.at(-1)).toMatchObject({
      type: "error",
      code: "unavailable",
      room: "a:1",
      id: null,
      retry_ms: 1000,
    });
    link.close();
  });

  it.each([
    [503, "unavailable", "7", { code: "unavailable", id: 4, retry_ms: 7_000 }],
    [429, "too_many_player_connections", "2", { code: "unavailable", id: 4, retry_ms: 2_000 }],
    [502, null, null, { code: "unavailable", id: 4, retry_ms: null }],
    [403, "forbidden", null, { code: "forbidden", id: 4 }],
    [404, "unknown_feed", null, { code: "unknown_feed", id: 4 }],
  ])("makes an error of the status %i %s", async (status, code, retryAfter, error) => {
    const { http, link } = await linked();
    const body = code === null ? "Bad Gateway" : JSON.stringify({ error: { code, message: "no" } });
    const headers: Record<string, string> = retryAfter === null ? {} : { "retry-after": retryAfter };
    http.refusal = new Response(body, { status, headers });
    link.send({ type: "subscribe", rooms: [{ room: "a:1" }], id: 4 });
    await settle();
    expect(http.reports.at(-1)).toMatchObject({ type: "error", room: "a:1", ...error });
    link.close();
  });

  it.each([
    ["token_expired", 4002, "token_expired"],
    ["token_key_unknown", 4003, "token_key_unknown"],
    ["token_signature", 4502, "unauthorized"],
  ])("closes as a WebSocket would after %s", async (code, close, name) => {
    const { http, link } = await linked();
    http.refusal = new Response(JSON.stringify({ error: { code, message: "no" } }), { status: 401 });
    link.send({ type: "subscribe", rooms: [{ room: "a:1" }], id: 4 });
    await settle();
    expect(http.reports.slice(-2)).toEqual([{ type: "error", code, message: "no" }, ["closed", close, name]]);
  });

  it("is lost with one of its streams, and with a server that bans the player", async () => {
    const first = await linked();
    first.link.send({ type: "subscribe", rooms: [{ room: "a:1" }], id: 4 });
    await settle();
    first.http.break();
    await settle();
    expect(first.http.reports.at(-1)).toEqual(["closed", 1006, "reset"]);
    const second = await linked();
    second.link.send({ type: "subscribe", rooms: [{ room: "a:1" }], id: 4 });
    await settle();
    second.http.say('data: {"type":"verdict","kind":"ban","reason":"bot"}\n\n: close 4503 banned\n\n');
    await settle();
    expect(second.http.reports.slice(-2)).toMatchObject([{ type: "verdict" }, ["closed", 4503, "banned"]]);
  });

  it("watches five rooms, and asks for others later", async () => {
    const { http, link } = await linked();
    const rooms = [1, 2, 3, 4, 5, 6].map((number) => ({ room: `a:${number}` }));
    link.send({ type: "subscribe", rooms, id: 4 });
    await settle();
    expect(http.requests).toHaveLength(5);
    expect(http.reports.at(-1)).toMatchObject({ type: "error", code: "unavailable", room: "a:6", retry_ms: 30_000 });
    link.send({ type: "unsubscribe", rooms: ["a:1"] });
    link.send({ type: "subscribe", rooms: [{ room: "a:6" }], id: 5 });
    await settle();
    expect(http.requests).toHaveLength(6);
    link.close();
  });
});

describe("a connection where WebSockets are blocked", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.doUnmock(FALLBACK);
    vi.useRealTimers();
  });

  it("tries a WebSocket again if the code for server-sent events does not load", async () => {
    vi.doMock(FALLBACK, () => {
      throw new Error("404");
    });
    const server = fakeServer();
    const fetch = vi.fn();
    const connection = connect("ws://127.0.0.1/ws", { WebSocket: server.WebSocket, fetch });
    for (let attempt = 1; attempt <= 2; attempt++) {
      await vi.waitFor(() => expect(server.sockets).toHaveLength(attempt));
      server.newest().lose();
    }
    await vi.waitFor(() => expect(server.sockets).toHaveLength(3), { timeout: 30_000 });
    expect(fetch).not.toHaveBeenCalled();
    server.newest().welcome();
    expect(connection.status).toMatchObject({ state: "open", transport: "websocket" });
    connection.close();
  });

  it("says so if the server answers, but not at this address", async () => {
    const server = fakeServer();
    const fetch = vi.fn(async () => new Response(null, { status: 404 }));
    const reasons = new Set<string>();
    const connection = connect("ws://127.0.0.1/nope", {
      WebSocket: server.WebSocket,
      fetch: fetch as unknown as typeof globalThis.fetch,
      onStatus: (status) => reasons.add(status.state === "waiting" ? status.reason.message : status.state),
    });
    for (let attempt = 1; attempt <= 3; attempt++) {
      await vi.waitFor(() => expect(server.sockets).toHaveLength(attempt), { timeout: 30_000 });
      server.newest().lose();
    }
    expect(fetch).toHaveBeenCalledOnce();
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "unreachable" } });
    expect([...reasons].filter((reason) => reason.includes("404"))).toHaveLength(1);
    expect(reasons).not.toContain("open");
    connection.close();
  });

  it("watches by server-sent events, and returns to WebSockets once they work", async () => {
    const server = fakeServer();
    const http = new FakeHttp();
    const connection = connect("ws://127.0.0.1/ws", { WebSocket: server.WebSocket, fetch: http.fetch });
    await vi.advanceTimersByTimeAsync(0);
    for (let attempt = 1; attempt <= 2; attempt++) {
      expect(server.sockets).toHaveLength(attempt);
      server.newest().lose();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    await vi.dynamicImportSettled();
    await vi.advanceTimersByTimeAsync(0);
    expect(connection.status).toMatchObject({ state: "open", transport: "sse", edge: "127.0.0.1" });
    expect(connection.status).toMatchObject({ reason: { code: "websocket_failed" } });
    await vi.advanceTimersByTimeAsync(15_000);
    server.newest().lose(); // the first try on the side
    await vi.advanceTimersByTimeAsync(30_000);
    server.newest().open(); // the second one
    await vi.advanceTimersByTimeAsync(0);
    server.newest().open();
    server.newest().say(WELCOME);
    expect(connection.status).toMatchObject({ state: "open", transport: "websocket", edge: "edge-1" });
    connection.close();
  });
});
