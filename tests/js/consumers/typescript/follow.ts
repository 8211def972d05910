// The types of the package as a user sees them. Each `@ts-expect-error` is a mistake that they have to find.
import { CloseCode, connect, ErrorCode, RoomRefused, type Connection, type RoomEvent, type Status } from "touchline";
import { msgpack } from "touchline/msgpack";
import { keepIn } from "touchline/storage";

interface Match {
  state: { score: { home: number; away: number } };
  happening: string;
  actions: { tap: { x: number }; cheer: null };
}

const [url, token] = process.argv.slice(2);
if (url === undefined || token === undefined) throw new Error("usage: follow URL TOKEN");

const connection: Connection = connect(url, {
  token: async () => token,
  codec: msgpack,
  onStatus: (status: Status) => {
    if (status.state === "open") status.edge.toUpperCase();
    // @ts-expect-error - only an open connection has a server
    status.edge;
  },
});
const kept = new Map<string, string>();
const storage = keepIn({
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => void kept.set(key, value),
  removeItem: (key) => void kept.delete(key),
});
void (() => connect(url, { storage }));
// @ts-expect-error - a storage has to be wrapped
void (() => connect(url, { storage: kept }));
// @ts-expect-error - there is no such option
void (() => connect(url, { tokken: token }));

const room = connection.subscribe<Match>("match:1", { last: 10 });
await room.joined().catch((error: unknown) => {
  if (error instanceof RoomRefused && error.code === ErrorCode.FORBIDDEN) return;
  throw error;
});
const home: number | undefined = room.state.get("score")?.data.home;
// @ts-expect-error - the score has no such field
room.state.get("score")?.data.guests;
// @ts-expect-error - the room has no such key
room.state.get("weather");
console.log(JSON.stringify({ home, tooSlow: CloseCode.TOO_SLOW }));

for await (const event of room) {
  const same: RoomEvent<Match> = event;
  if (event.key === null) console.log(event.data.toUpperCase(), same.offset >= 0);
  if (event.data === "end") break;
}
const receipt = await room.act("tap", { x: 1 });
// @ts-expect-error - a tap needs a place
void (() => room.act("tap"));
// @ts-expect-error - nobody can jump
void (() => room.act("jump"));
console.log(JSON.stringify({ id: receipt.id }));
connection.close();
