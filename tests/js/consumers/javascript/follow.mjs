// What a user of the package writes first: follow a room, act in it, and stop.
import { connect } from "touchline";

const [url, token] = process.argv.slice(2);
// Node has a WebSocket from version 22.
const options = globalThis.WebSocket === undefined ? { WebSocket: (await import("ws")).WebSocket } : {};
const connection = connect(url, { ...options, token });
const room = connection.subscribe("match:1", { last: 10 });
await room.joined();
console.log(JSON.stringify({ state: Object.fromEntries([...room.state].map(([key, { data }]) => [key, data])) }));
for await (const { key, data } of room) {
  console.log(JSON.stringify({ key, data }));
  if (data === "end") break;
}
const { id } = await room.act("tap", { x: 1 });
console.log(JSON.stringify({ id }));
connection.close();
