/** A connection with its shell: timers, sockets, callbacks and iterators, under fake timers. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ActionsFull } from "../src/action-errors.js";
import { AlreadySubscribed, BadArgument, ConnectionClosed, RoomRefused } from "../src/errors.js";
import type { Connection, ConnectOptions, RoomEvent, Status, SubscribeOptions } from "../src/types.js";
import { event, fakeServerOfEachTest, settle, subscribed } from "./fake-server.js";

const server = fakeServerOfEachTest();
const statuses: Status[] = [];

beforeEach(() => {
  statuses.length = 0;
});

const connected = (options: ConnectOptions = {}): Promise<Connection> =>
  server.connected({ onStatus: (status) => statuses.push(status), ...options });

describe("staying connected", () => {
  it("goes on from the cursor, after a wait, on another socket", async () => {
    const connection = await connected();
    const events: RoomEvent[] = [];
    connection.subscribe("a:1", { onEvent: (each) => events.push(each) });
    await settle();
    server.newest().say(subscribed(server.newest().last("subscribe")?.["id"], 1), event(2, 1, "x"));
    server.newest().lose();
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "abnormal" } });
    await settle(500);
    server.newest().welcome();
    await settle();
    expect(server.sockets).toHaveLength(2);
    const rooms = [{ room: "a:1", epoch: "e", after: 2, ts: 1_700_000_000_002 }];
    expect(server.newest().last("subscribe")).toMatchObject({ rooms });
    const id = server.newest().last("subscribe")?.["id"];
    server.newest().say(subscribed(id, 3, { recovered: true }), event(2, 1, "x"), event(3, 2, "y"));
    expect(events.map(({ data, live }) => [data, live])).toEqual([
      ["x", true],
      ["y", false],
    ]);
  });

  it("finds a dead link after two heartbeats, and not before", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.9); // the wait for the next attempt outlasts the test
    const connection = await connected();
    await settle(49_000);
    server.newest().say({ type: "beat" });
    await settle(49_000);
    expect(connection.status.state).toBe("open");
    await settle(1_100);
    expect(connection.status).toMatchObject({ state: "waiting", reason: { code: "silent" } });
    expect(server.newest().isClosed).toBe(true);
  });

  it("reads what arrived during a sleep before it takes a link for dead", async () => {
    const connection = await connected();
    vi.setSystemTime(Date.now() + 3_600_000); // the computer slept for an hour; no timer has run
    await settle(50_000);
    expect(connection.status.state).toBe("open");
    server.newest().say({ type: "beat" });
    await settle(40_000);
    expect(connection.status.state).toBe("open");
  });

  it("knows the server's time over short sleeps, whatever is done to the computer's clock", async () => {
    const connection = await connected();
    const begin = connection.serverTime;
    const day = 24 * 3_600_000;
    let sleptMs = 0;
    for (const jumpMs of [day, -2 * day, 30_000, 3 * day, -day]) {
      vi.setSystemTime(Date.now() + jumpMs);
      if (jumpMs === 30_000) sleptMs = jumpMs;
      await settle(10);
      server.newest().say({ type: "beat" });
    }
    expect(connection.serverTime - begin).toBe(50 + sleptMs);
    vi.setSystemTime(Date.now() + day); // this was a sleep, which no connection survives
    await settle(10);
    server.newest().lose();
    expect(connection.serverTime - begin).toBeGreaterThan(day);
  });

  it("leaves when a draining server says so, without a further wait", async () => {
    await connected();
    server.newest().say({ type: "goaway", reconnect_ms: 2_000, reason: "stopping" });
    expect(statuses.at(-1)).toMatchObject({ state: "open", leaving: true });
    await settle(1_900);
    expect(server.sockets).toHaveLength(1);
    await settle(200);
    expect(server.sockets).toHaveLength(2);
    expect(server.sockets[0]?.isClosed).toBe(true);
  });

  it("renews a token before it expires", async () => {
    let count = 0;
    server.dial({ token: () => `t${++count}` });
    await settle();
    server.newest().welcome({ expires: 1_700_000_060_000, player: "ada" });
    await settle(20_000);
    server.newest().say({ type: "beat" });
    await settle(20_000);
    server.newest().say({ type: "beat" });
    await settle(9_000);
    expect(server.newest().last("refresh")).toMatchObject({ token: "t2" });
  });

  it("opens the next connection no earlier than any backoff allows, and later each time", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    server.dial({ transport: "websocket" });
    await settle();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      const begin = Date.now();
      const { length } = server.sockets;
      server.newest().lose();
      while (server.sockets.length === length) await settle(100);
      waits.push(Math.round((Date.now() - begin) / 500) / 2);
    }
    expect(waits).toEqual([0.5, 1, 2, 4, 8, 16, 30, 30, 30]);
  });
});

describe("a room", () => {
  async function joined(options: object = {}, connection_: ConnectOptions = {}) {
    const connection = await connected(connection_);
    const room = connection.subscribe("a:1", options);
    await settle();
    const socket = server.newest();
    return { connection, room, socket, id: socket.last("subscribe")?.["id"] };
  }

  it("has a state that is the same object until something in it changes", async () => {
    const { room, socket, id } = await joined();
    const state = [event(1, null, { n: 1 }, "k")];
    socket.say(subscribed(id, 1, { state }));
    const before = room.state;
    expect(room.state).toBe(before);
    expect(room.get("k")?.data).toEqual({ n: 1 });
    socket.say(event(2, 1, "a happening"));
    expect(room.state).toBe(before);
    socket.say(event(3, 2, { n: 2 }, "k"));
    expect(room.state).not.toBe(before);
    expect(before.get("k")?.data).toEqual({ n: 1 });
    socket.say(event(4, 3, null, "k"));
    expect(room.state.size).toBe(0);
  });

  it("calls its listeners in order, and survives one that throws", async () => {
    const calls: string[] = [];
    const uncaught: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (call: () => void) => {
      void Promise.resolve()
        .then(call)
        .catch((error: unknown) => uncaught.push(error));
    });
    const { room, socket, id } = await joined({
      onEvent: () => {
        throw new Error("oh");
      },
    });
    room.on("joined", ({ recovered }) => calls.push(`joined ${recovered}`));
    room.on("event", ({ data }) => calls.push(`event ${data}`));
    const stop = room.on("change", () => calls.push("change"));
    socket.say(subscribed(id, 0));
    socket.say(event(1, 0, 1));
    stop();
    socket.say(event(2, 1, 2));
    await settle();
    vi.unstubAllGlobals();
    expect(calls).toEqual(["joined false", "change", "event 1", "change", "event 2"]);
    expect(uncaught).toHaveLength(2);
  });

  it("is iterated from its beginning, also after a wait for it", async () => {
    const { connection, room, socket, id } = await joined({ last: 2 });
    socket.say(subscribed(id, 2, { recent: [event(1, null, 1), event(2, 1, 2)] }), event(3, 2, 3));
    await room.joined();
    const seen: unknown[] = [];
    for await (const { data } of room) if (seen.push(data) === 3) break;
    expect(seen).toEqual([1, 2, 3]);
    connection.close();
    await expect(room[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: true });
  });

  it("is left while an iterator is behind, and goes on from its cursor", async () => {
    const { room, socket, id } = await joined({}, { eventsBufferMax: 3 });
    const iterator = room[Symbol.asyncIterator]();
    socket.say(subscribed(id, 0), event(1, 0, 1), event(2, 1, 2), event(3, 2, 3), event(4, 3, 4));
    await settle();
    expect(socket.last("unsubscribe")).toMatchObject({ rooms: ["a:1"] });
    expect(room.status.state).toBe("waiting");
    for (const data of [1, 2, 3]) expect((await iterator.next()).value).toMatchObject({ data });
    await settle();
    expect(socket.last("subscribe")).toMatchObject({ rooms: [{ room: "a:1", epoch: "e", after: 3 }] });
    socket.say(subscribed(socket.last("subscribe")?.["id"], 4, { recovered: true }), event(4, 3, 4));
    expect((await iterator.next()).value).toMatchObject({ data: 4 });
  });

  it("says when it is refused, and ends its iterators after what had arrived", async () => {
    const { room, socket, id } = await joined();
    const iterator = room[Symbol.asyncIterator]();
    socket.say(subscribed(id, 0), event(1, 0, 1));
    socket.say({ type: "error", code: "forbidden", message: "no", room: "a:1" });
    expect((await iterator.next()).value).toMatchObject({ data: 1 });
    await expect(iterator.next()).rejects.toBeInstanceOf(RoomRefused);
    expect(room.status).toMatchObject({ state: "closed", error: { code: "forbidden" } });
  });

  it("asks again when the server has removed it for now", async () => {
    const { room, socket, id } = await joined();
    socket.say(subscribed(id, 0));
    socket.say({ type: "error", code: "unavailable", message: "later", room: "a:1" });
    expect(room.status.state).toBe("waiting");
    await settle(500);
    expect(socket.last("subscribe")).toMatchObject({ rooms: [{ room: "a:1", epoch: "e", after: 0 }] });
  });

  it("asks again when it is unavailable", async () => {
    const { room, socket, id } = await joined();
    socket.say({ type: "error", code: "unavailable", message: "later", room: "a:1", id });
    expect(room.status.state).toBe("waiting");
    await settle(500);
    expect(socket.sent.filter(({ type }) => type === "subscribe")).toHaveLength(2);
  });

  it("asks for an event that is missing, and starts over if the server does not have it", async () => {
    const restarts: boolean[] = [];
    const { room, socket, id } = await joined({
      onRestart: ({ restarted }: { restarted: boolean }) => restarts.push(restarted),
    });
    socket.say(subscribed(id, 0), event(1, 0, 1), event(3, 2, 3));
    await settle();
    expect(socket.last("subscribe")).toMatchObject({ rooms: [{ room: "a:1", after: 1 }] });
    socket.say(subscribed(socket.last("subscribe")?.["id"], 3, { recovered: true }), event(3, 2, 3));
    await settle();
    expect(socket.last("subscribe")?.["rooms"]).toEqual([{ room: "a:1" }]);
    socket.say(subscribed(socket.last("subscribe")?.["id"], 3));
    expect([room.gaps, room.restarts, restarts]).toEqual([2, 1, [true]]);
  });

  it("is in one subscription, which closes for good", async () => {
    const { connection, room, socket } = await joined();
    expect(() => connection.subscribe("a:1")).toThrow(AlreadySubscribed);
    const waiting = room.joined().catch((error: unknown) => error);
    room.close();
    room.close();
    expect(await waiting).toBeInstanceOf(ConnectionClosed);
    await settle();
    expect(socket.last("unsubscribe")).toMatchObject({ rooms: ["a:1"] });
    expect(() => connection.subscribe("a:1")).not.toThrow();
  });

  it.each([
    ...["score", "", "Score:1", "score:", "a: b", "a:*", "a:\0", "a:\ud800", `a:${"x".repeat(129)}`],
    `a:${"é".repeat(65)}`,
    null,
    5,
  ])("cannot have the name %j", async (name) => {
    const connection = await connected();
    expect(() => connection.subscribe(name as string)).toThrow(BadArgument);
    await expect(connection.act(name as string, "tap")).rejects.toBeInstanceOf(BadArgument);
  });

  it.each([`a:${"x".repeat(128)}`, `a:${"é".repeat(64)}`, "a:\u{1f468}\u200d\u{1f469}", "a:b:c"])(
    "may have the name %j",
    async (name) => {
      const connection = await connected();
      expect(connection.subscribe(name).room).toBe(name);
    },
  );

  it.each([
    { last: -1 },
    { last: 1001 },
    { last: 1.5 },
    { last: "5" },
    { after: "junk" },
    { after: 5 },
    { deliver: "newest" },
    { onEvent: "print" },
    { lats: 5 },
  ])("cannot have the options %j", async (options) => {
    const connection = await connected();
    expect(() => connection.subscribe("a:1", options as SubscribeOptions)).toThrow(BadArgument);
    expect(() =>
      connection.subscribe("a:1", { last: null, deliver: null } as unknown as SubscribeOptions),
    ).not.toThrow();
  });

  it("is listened to by functions only", async () => {
    const connection = await connected();
    expect(() => connection.on("status", "print" as never)).toThrow(BadArgument);
    expect(() => connection.subscribe("a:1").on("event", undefined as never)).toThrow(BadArgument);
  });

  it("reports who is there", async () => {
    const { room, socket, id } = await joined({ onOccupancy: () => {}, onMembers: () => {} });
    expect(socket.last("subscribe")).toMatchObject({ rooms: [{ occupancy: true, members: true }] });
    socket.say(subscribed(id, 0), { type: "occupancy", room: "a:1", viewers: 3 });
    expect(room.occupancy).toEqual({ room: "a:1", viewers: 3, complete: true });
    socket.say({ type: "members", room: "a:1", players: ["ada", "bob"] });
    socket.say({ type: "members_changed", room: "a:1", joined: ["\ud83c\udfdf", "\uffee", "cid"], left: ["ada"] });
    expect(room.members?.players).toEqual(["bob", "cid", "\uffee", "\ud83c\udfdf"]);
    socket.say({ type: "members", room: "a:1", too_many: true });
    expect(room.members?.players).toBeNull();
  });
});

describe("acting", () => {
  it("sends unanswered actions again in the same session", async () => {
    const connection = await connected({ token: "t" });
    const outcomes = [connection.act("a:1", "tap", { n: 1 }), connection.act("a:1", "tap", { n: 2 })];
    await settle();
    server.newest().say({ type: "ack", id: 1 });
    server.newest().lose();
    await settle(500);
    server.newest().welcome();
    await settle();
    expect(server.newest().last("hello")).toMatchObject({ session: "s" });
    expect(server.newest().last("action")).toMatchObject({ id: 2, prev: 0, data: { n: 2 } });
    server.newest().say({ type: "nack", id: 2, code: "duplicate_id", message: "in the log" });
    expect(await Promise.all(outcomes)).toEqual([
      { session: "s", id: 1 },
      { session: "s", id: 2 },
    ]);
  });

  it("hands out the span of an event, and has an action continue one", async () => {
    const connection = await connected({ token: "t" });
    const room = connection.subscribe("a:1");
    await settle();
    const traced = { ...event(1, null, "x", "score"), traceparent: "00-1" };
    server.newest().say(subscribed(server.newest().last("subscribe")?.["id"], 1, { state: [traced] }));
    expect(room.get("score")?.traceparent).toBe("00-1");
    server.newest().say(event(2, 1, "y", "score"));
    expect(room.get("score")?.traceparent).toBeNull();
    void room.act("tap", null, { traceparent: "00-2" }).catch(() => null);
    await settle();
    server.newest().lose();
    await settle(500);
    server.newest().welcome();
    await settle();
    expect(server.newest().last("action")).toMatchObject({ id: 1, traceparent: "00-2" });
  });

  it("rejects what cannot be sent, and what is too much", async () => {
    const connection = await connected({ actionsBufferMax: 1 });
    await expect(connection.act("a:1", "no spaces")).rejects.toBeInstanceOf(BadArgument);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const lost = [Number.NaN, () => 1, Symbol("s"), new Map([[1, 2]]), { deep: [new Set([1])] }, 1n, cycle];
    for (const data of lost) await expect(connection.act("a:1", "tap", data)).rejects.toBeInstanceOf(BadArgument);
    const first = connection.act("a:1", "tap").catch((error: unknown) => error);
    await expect(connection.act("a:1", "tap")).rejects.toBeInstanceOf(ActionsFull);
    connection.close();
    expect(await first).toBeInstanceOf(ConnectionClosed);
  });

  it("waits as long as a nack says", async () => {
    const connection = await connected();
    const acted = connection.act("a:1", "tap");
    await settle();
    server.newest().say({ type: "nack", id: 1, code: "rate_limited", message: "later", retry_ms: 3_000 });
    await settle(2_900);
    expect(server.newest().sent.filter(({ type }) => type === "action")).toHaveLength(1);
    await settle(200);
    expect(server.newest().sent.filter(({ type }) => type === "action")).toHaveLength(2);
    server.newest().say({ type: "ack", id: 1 });
    await expect(acted).resolves.toMatchObject({ id: 1 });
  });
});
