// @vitest-environment happy-dom
/** What a page's life means for its connection. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Connection } from "../src/types.js";
import { fakeServerOfEachTest } from "./fake-server.js";

const server = fakeServerOfEachTest();
let connection: Connection;

beforeEach(async () => {
  connection = await server.connected();
});

const persisted = (name: string): Event => Object.assign(new Event(name), { persisted: true });

describe("a page", () => {
  it.each([
    [
      "frozen and resumed",
      () => document.dispatchEvent(new Event("freeze")),
      () => document.dispatchEvent(new Event("resume")),
    ],
    [
      "kept for the back button, and back",
      () => window.dispatchEvent(persisted("pagehide")),
      () => window.dispatchEvent(persisted("pageshow")),
    ],
  ])("that is %s has no connection in between", async (_, leave, comeBack) => {
    leave();
    expect(server.newest().isClosed).toBe(true);
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "suspended" }, retryAt: null });
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(server.sockets).toHaveLength(1);
    comeBack();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.sockets).toHaveLength(2);
  });

  it("that was offline connects again at once", async () => {
    window.dispatchEvent(new Event("offline"));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(connection.status.state).toBe("open");
    window.dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(0);
    expect(server.sockets).toHaveLength(2);
    server.newest().welcome();
    expect(connection.status.state).toBe("open");
  });

  it("that is looked at does not wait for the next attempt, unless the server asked for the wait", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    server.newest().lose();
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(0);
    expect(server.sockets).toHaveLength(2);
    server.newest().welcome();
    server.newest().say({ type: "goaway", reconnect_ms: 4_000, reason: "stopping" });
    server.newest().lose(1001);
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(3_900);
    expect(server.sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(200);
    expect(server.sockets).toHaveLength(3);
  });

  it("is not listened to after the connection was closed", async () => {
    connection.close();
    await vi.advanceTimersByTimeAsync(0);
    document.dispatchEvent(new Event("freeze"));
    window.dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
  });
});
