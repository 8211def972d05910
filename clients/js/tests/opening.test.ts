/** How a connection opens, or does not, under fake timers. */
import { describe, expect, it, vi } from "vitest";
import { connect } from "../src/connect.js";
import { BadArgument, ConnectionClosed, ConnectionRefused } from "../src/errors.js";
import type { ConnectOptions, WebSocketConstructor } from "../src/types.js";
import { fakeServerOfEachTest, settle } from "./fake-server.js";

const server = fakeServerOfEachTest();
const { connected } = server;

describe("opening", () => {
  it("greets with a token of each kind", async () => {
    await connected({ token: "t1" });
    expect(server.newest().last("hello")).toMatchObject({ token: "t1" });
    await connected({ token: async () => "t2" });
    expect(server.newest().last("hello")).toMatchObject({ token: "t2" });
  });

  it("tries again if the token function fails, and says why", async () => {
    const token = vi.fn().mockRejectedValueOnce(new Error("no login")).mockResolvedValue("t");
    const connection = server.dial({ token });
    await settle();
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "token_unavailable" } });
    await settle(500);
    server.newest().welcome();
    expect(connection.status.state).toBe("open");
  });

  it("says that the server is unreachable, and tries again, if a browser forbids the WebSocket", async () => {
    let attempts = 0;
    class Forbidden {
      constructor() {
        attempts += 1;
        throw new DOMException("An insecure WebSocket connection may not be initiated", "SecurityError");
      }
    }
    const connection = server.dial({ WebSocket: Forbidden as unknown as WebSocketConstructor });
    await settle();
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "unreachable" } });
    expect(connection.status).toMatchObject({ reason: { message: expect.stringContaining("insecure") } });
    await settle(500);
    expect(attempts).toBeGreaterThan(1);
  });

  it("ends everything if it is closed before a server has answered", async () => {
    const connection = server.dial();
    const room = connection.subscribe("a:1");
    const waits = [connection.opened(), room.joined(), connection.act("a:1", "tap")];
    connection.close();
    const outcomes = await Promise.allSettled(waits);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code)).toEqual(
      Array(waits.length).fill("closed"),
    );
    await expect(connection.act("a:1", "tap")).rejects.toBeInstanceOf(ConnectionClosed);
    await settle(60_000);
    expect(server.sockets.filter(({ isClosed }) => !isClosed)).toEqual([]);
  });

  it.each([
    [4003, "token_key_unknown", "token_key_unknown"],
    [4099, "of_a_newer_server", "of_a_newer_server"],
    [4099, "", "close_4099"],
    [1009, "more than 1024 fragments", "too_big"],
    [1012, "service restart", "close_1012"],
  ])("names the close %i %s", async (code, reason, name) => {
    const connection = await connected();
    server.newest().lose(code, reason);
    const { status } = connection;
    expect(status.state === "waiting" ? status.reason.code : status.state === "closed" && status.error?.code).toBe(
      name,
    );
  });

  it("gives up at a refusal, and tells everybody", async () => {
    const connection = await connected();
    const room = connection.subscribe("a:1");
    const joined = room.joined().catch((error: unknown) => error);
    const acted = connection.act("a:1", "tap").catch((error: unknown) => error);
    server.newest().lose(4503, "banned");
    expect(await joined).toBeInstanceOf(ConnectionRefused);
    expect(await acted).toMatchObject({ code: "banned", closeCode: 4503 });
    await expect(connection.opened()).rejects.toMatchObject({ code: "banned" });
    expect(() => connection.subscribe("a:2")).toThrow(ConnectionRefused);
    await settle(600_000);
    expect(server.sockets).toHaveLength(1);
  });

  it("gets another token once after a rejected one, and gives up if that is the same", async () => {
    const connection = await connected({ token: () => "t" });
    server.newest().lose(4502, "unauthorized");
    await settle(500);
    server.newest().open();
    expect(connection.status).toMatchObject({ state: "closed", error: { code: "unauthorized" } });
  });

  it.each(["not a url", "ftp://example.org/ws", "", 5])("refuses the address %j", (url) => {
    expect(() => connect(url as string, { WebSocket: server.WebSocket })).toThrow(BadArgument);
  });

  it.each([
    ...[-1, 0, Number.NaN, Number.POSITIVE_INFINITY, "soon"].flatMap((value) => [
      { backoff: { baseMs: value } },
      { backoff: { maxMs: value } },
      { eventsBufferMax: value },
      { actionsBufferMax: value },
    ]),
    ...[
      { backoff: { base: 1 } },
      { transport: "pigeon" },
      { storage: {} },
      { codec: {} },
      { WebSocket: {} },
      { fetch: 5 },
    ],
    ...[{ token: 5 }, { token: "" }, { agent: "x".repeat(129) }, { agent: 5 }, { onStatus: "print" }, { tokn: "t" }],
  ])("refuses the options %o", (options) => {
    const connecting = () =>
      connect("ws://127.0.0.1/ws", { WebSocket: server.WebSocket, ...options } as ConnectOptions);
    expect(connecting).toThrow(BadArgument);
  });

  it("takes null for an option that is left out", async () => {
    const names = ["token", "storage", "codec", "fetch", "backoff", "eventsBufferMax", "actionsBufferMax", "onStatus"];
    const connection = await connected(Object.fromEntries(names.map((name) => [name, null])));
    expect(connection.status.state).toBe("open");
  });

  it("never tries more than 100 times a second, and goes on trying", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    server.dial({ transport: "websocket", backoff: { baseMs: 1, maxMs: 1 } });
    for (let ms = 0; ms < 1_000; ms++) {
      if (server.sockets.at(-1)?.isClosed === false) {
        server.newest().isClosed = true;
        server.newest().lose();
      }
      await settle(1);
    }
    expect(server.sockets.length).toBeGreaterThan(50);
    expect(server.sockets.length).toBeLessThanOrEqual(101);
    vi.restoreAllMocks();
  });

  it("does not wait for ever for a token", async () => {
    const connection = server.dial({ token: () => new Promise(() => {}) });
    await settle(30_000);
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "token_unavailable" } });
  });

  it("names the package ws where there is no WebSocket", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => connect("ws://127.0.0.1/ws")).toThrow(/\bws\b/);
    vi.unstubAllGlobals();
  });
});
