/**
 * A client of the TypeScript SDK in Node, for tests: what it is to do arrives on stdin, and what happens goes to stdout,
 * one JSON value per line.
 *
 * Usage: node sdk_client.mjs FOLDER URL OPTIONS, where FOLDER has the built package.
 */
import { createInterface } from "node:readline";

const [folder, url, json] = process.argv.slice(2);
const { connect } = await import(`${folder}/dist/index.js`);
const { msgpack } = await import(`${folder}/dist/msgpack.js`);
const { codec, ...options } = JSON.parse(json);

const report = (what, value) => process.stdout.write(`${JSON.stringify({ what, value })}\n`);
const connection = connect(url, {
  ...options,
  backoff: { baseMs: 50, maxMs: 200 },
  ...(codec === "msgpack" && { codec: msgpack }),
  onStatus: ({ error, ...status }) => report("status", { ...status, error: error?.code ?? null }),
  onVerdict: (verdict) => report("verdict", verdict),
});

const subscriptions = new Map();
const commands = {
  subscribe(room, options) {
    const subscription = connection.subscribe(room, {
      ...options,
      onEvent: (event) => report("event", event),
      onJoined: ({ state, ...joined }) => report("joined", { ...joined, state: [...state.values()] }),
    });
    subscriptions.set(room, subscription);
    subscription.joined().catch(({ code }) => report("refused", { room, code }));
  },
  act(room, kind, data) {
    connection.act(room, kind, data).then(
      (receipt) => report("receipt", receipt),
      ({ code, name }) => report("refusal", { code, name }),
    );
  },
  state(room) {
    const { state, restarts, gaps, cursor } = subscriptions.get(room);
    report("state", { state: Object.fromEntries([...state].map(([key, { data }]) => [key, data])), restarts, gaps, cursor });
  },
  close() {
    connection.close();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...values] = JSON.parse(line);
  commands[name](...values);
}
connection.close();
