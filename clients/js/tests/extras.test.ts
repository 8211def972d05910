/** Rooms that need code which is loaded later: for members, and for going on in another log. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { fakeServerOfEachTest, settle } from "./fake-server.js";

const EXTRAS = "../src/machine/rooms/extras.js";
const { newest, connected } = fakeServerOfEachTest();

afterEach(() => {
  vi.doUnmock(EXTRAS);
});

describe("a room that needs code which is loaded later", () => {
  it("finds its place in another log without loss, though events arrive while the code loads", async () => {
    const connection = await connected();
    const socket = newest();
    const seen: number[] = [];
    const room = connection.subscribe("a:1", { after: "e.4.1000", onEvent: ({ offset }) => seen.push(offset) });
    await vi.advanceTimersByTimeAsync(0);
    const moved = { type: "subscribed", room: "a:1", epoch: "f", head: 12, recovered: false, after: 9, by_time: true };
    const first = { type: "event", room: "a:1", offset: 10, prev: 9, ts: 1000, data: 1 };
    const second = { type: "event", room: "a:1", offset: 11, prev: 10, ts: 1001, data: 2 };
    socket.say({ ...moved, id: socket.last("subscribe")?.["id"] }, first);
    await settle();
    expect(room.status.state).toBe("joining");
    expect(socket.sent.slice(-2).map(({ type }) => type)).toEqual(["unsubscribe", "subscribe"]);
    expect(socket.last("subscribe")?.["rooms"]).toEqual([{ room: "a:1", epoch: "e", after: 4, ts: 1000 }]);
    socket.say(second, { ...moved, id: socket.last("subscribe")?.["id"] }, first, second);
    expect([seen, room.moves, room.gaps]).toEqual([[11], 1, 0]);
  });

  it("waits if the code does not load, says so, and tries again", async () => {
    vi.doMock(EXTRAS, () => {
      throw new Error("404");
    });
    const connection = await connected();
    const room = connection.subscribe("a:1", { members: true });
    const other = connection.subscribe("b:1");
    await settle();
    expect(room.status).toMatchObject({ state: "waiting", error: { name: "LoadFailed", code: "load_failed" } });
    expect(newest().last("subscribe")).toMatchObject({ rooms: [{ room: "b:1" }] });
    expect(other.status.state).toBe("joining");
    vi.doUnmock(EXTRAS);
    await settle(1_000);
    await settle();
    expect(room.status).toEqual({ state: "joining", error: null });
    expect(newest().last("subscribe")).toMatchObject({ rooms: [{ room: "a:1", members: true }] });
  });
});
