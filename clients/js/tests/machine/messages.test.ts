/** What a client reads of a server's messages, held to the protocol's vectors. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readMessage } from "../../src/machine/messages.js";
import { json } from "../../src/transport/json.js";
import { type MessageVectors, vectors } from "../vectors.js";

const names = readdirSync(new URL("../../../../protocol/vectors", import.meta.url))
  .filter((name) => name.startsWith("message-"))
  .map((name) => name.replace(".json", ""));
const files = names.map((name) => vectors<MessageVectors>(name)).filter(({ sent_by }) => sent_by === "server");

/** What the machine makes of a text: undefined if it is not a message, null if its type is unknown. */
function read(text: string): unknown {
  try {
    return readMessage(json.decode(text));
  } catch {
    return undefined;
  }
}

describe.each(files)("a server's $type", ({ valid, read_as, invalid }) => {
  it.each([...valid, ...read_as])("is read: $about", ({ json: text, message }) => {
    expect(read(text)).toMatchObject(withoutNull(JSON.parse(JSON.stringify(message))));
  });

  it.each(invalid.filter((vector) => vector.json !== undefined))("is refused: $about", ({ json: text = "" }) => {
    expect(read(text)).toBeUndefined();
  });
});

describe("what is not a message", () => {
  const { invalid } = vectors<MessageVectors>("other-messages");

  it.each(invalid.filter(({ json: text }) => text !== undefined))(
    "is told apart: $about",
    ({ json: text = "", code }) => {
      expect(read(text)).toBe(code === "unknown_type" ? null : undefined);
    },
  );

  it("includes types with the names of methods", () => {
    expect(read('{"type":"toString"}')).toBeNull();
  });
});

describe("fields that are absent", () => {
  it("have their defaults", () => {
    const subscribed = read('{"type":"subscribed","room":"a:b","epoch":"e","head":1,"recovered":false}');
    expect(subscribed).toMatchObject({
      state: [],
      state_complete: true,
      recent: [],
      id: null,
      after: null,
      by_time: false,
    });
  });

  it("have them in the events of a state as well", () => {
    const text =
      '{"type":"subscribed","room":"a:b","epoch":"e","head":1,"recovered":false,' +
      '"state":[{"type":"event","room":"a:b","offset":1,"prev":null,"ts":0,"data":1,"key":"k"}]}';
    expect(read(text)).toMatchObject({ state: [{ key: "k", epoch: null }] });
  });
});

/** The order and the absence of fields mean nothing; a field that is null is one that is absent. */
function withoutNull(message: Record<string, unknown>): object {
  const kept = ["prev", "data"];
  return Object.fromEntries(Object.entries(message).filter(([name, value]) => value !== null || kept.includes(name)));
}
