/** What is kept of rooms from one load of a page to the next. */
import { describe, expect, it, vi } from "vitest";
import { keepIn } from "../src/storage/index.js";
import type { Connection, CursorStorage, RoomEvent } from "../src/types.js";
import { event, fakeServerOfEachTest, subscribed } from "./fake-server.js";

class MemoryStorage implements CursorStorage {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}

const { newest, dial } = fakeServerOfEachTest();

/** A page is loaded: a new connection, with what is in the storage. */
async function load(storage: CursorStorage): Promise<Connection> {
  const connection = dial({ storage: keepIn(storage) });
  await vi.advanceTimersByTimeAsync(0);
  newest().welcome();
  return connection;
}

/** Join the room with a state of one key, and receive one more event. */
async function watch(storage: CursorStorage, data: unknown = { n: 1 }): Promise<Connection> {
  const connection = await load(storage);
  connection.subscribe("a:1");
  await vi.advanceTimersByTimeAsync(0);
  const state = [event(1, null, data, "k")];
  newest().say(subscribed(newest().last("subscribe")?.["id"], 1, { state }), event(2, 1, "x"));
  return connection;
}

describe("after a reload", () => {
  it("a room shows its state at once, and goes on from its cursor", async () => {
    const storage = new MemoryStorage();
    (await watch(storage)).close();
    const connection = await load(storage);
    const events: RoomEvent[] = [];
    const room = connection.subscribe("a:1", { onEvent: (each) => events.push(each) });
    expect(room.get("k")?.data).toEqual({ n: 1 });
    expect(room.stateComplete).toBe(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(newest().last("subscribe")).toMatchObject({ rooms: [{ epoch: "e", after: 2 }] });
    const id = newest().last("subscribe")?.["id"];
    newest().say(subscribed(id, 3, { recovered: true }), event(3, 2, { n: 2 }, "k"));
    expect(events.map(({ data }) => data)).toEqual([{ n: 2 }]);
    expect(room.get("k")?.data).toEqual({ n: 2 });
  });

  it("it is there although the page was not closed in an orderly way", async () => {
    const storage = new MemoryStorage();
    await watch(storage);
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await load(storage)).subscribe("a:1").cursor).toBe("e.2.1700000000002");
  });

  it("a cursor of the user's own wins, and a room that is not to be kept begins anew", async () => {
    const storage = new MemoryStorage();
    (await watch(storage)).close();
    const connection = await load(storage);
    expect(connection.subscribe("a:1", { after: "e.7" }).cursor).toBe("e.7");
    connection.close();
    expect((await load(storage)).subscribe("a:1", { persist: false }).cursor).toBeNull();
  });

  it("another server's rooms are other rooms", async () => {
    const storage = new MemoryStorage();
    (await watch(storage)).close();
    const connection = dial({ storage: keepIn(storage) }, "ws://127.0.0.2/ws");
    expect(connection.subscribe("a:1").cursor).toBeNull();
  });
});

describe("a storage", () => {
  const damages: [string, (json: string) => string][] = [
    ["cut off", (json) => json.slice(0, -9)],
    ["nothing of ours", () => '{"a":1}'],
    ["null", () => "null"],
    ["of other types", () => '[["a:1",7],["a:1"],7]'],
    ["without a cursor", (json) => json.replace("e.2.1700000000002", "e")],
    ["with an event that is none", (json) => json.replace('\\"k\\",1', '\\"k\\",null')],
  ];

  it.each(damages)("that is damaged (%s) is as good as empty", async (_, damage) => {
    const storage = new MemoryStorage();
    (await watch(storage)).close();
    for (const [key, json] of storage.items) {
      expect(damage(json)).not.toBe(json);
      storage.setItem(key, damage(json));
    }
    const room = (await load(storage)).subscribe("a:1");
    expect([room.cursor, room.state.size]).toEqual([null, 0]);
  });

  it("that is full keeps nothing, and breaks nothing", async () => {
    const storage = new MemoryStorage();
    (await watch(storage)).close();
    storage.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    const connection = await watch(storage);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(connection.status.state).toBe("open");
    expect(storage.items.size).toBe(0);
  });

  it("that is forbidden breaks nothing", async () => {
    const forbid = (): never => {
      throw new DOMException("no", "SecurityError");
    };
    const connection = await watch({ getItem: forbid, setItem: forbid, removeItem: forbid });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(connection.status.state).toBe("open");
  });

  it("keeps no room that is too large, and the others", async () => {
    const storage = new MemoryStorage();
    (await watch(storage, "x".repeat(1_100_000))).close();
    expect((await load(storage)).subscribe("a:1").cursor).toBeNull();
    expect(Math.max(...[...storage.items.values()].map(({ length }) => length))).toBeLessThan(1_100_000);
  });
});
