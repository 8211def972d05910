/** The MessagePack codec, held to the protocol's vectors. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readMessage } from "../src/machine/messages.js";
import { msgpack } from "../src/msgpack/index.js";
import { json } from "../src/transport/json.js";
import { type MessageVectors, vectors } from "./vectors.js";

const files = readdirSync(new URL("../../../protocol/vectors", import.meta.url))
  .filter((name) => name.startsWith("message-"))
  .map((name) => vectors<MessageVectors>(name.replace(".json", "")));

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

describe.each(files.filter(({ sent_by }) => sent_by === "server"))("a server's $type", ({ valid, invalid }) => {
  it.each(valid)("is the same as in JSON: $about", ({ json: text, msgpack: hex }) => {
    expect(readMessage(msgpack.decode(bytes(hex)))).toEqual(readMessage(json.decode(text)));
  });

  it.each(invalid.filter((vector) => vector.msgpack !== undefined))("is refused: $about", ({ msgpack: hex = "" }) => {
    expect(readMessage(msgpack.decode(bytes(hex)))).toBeUndefined();
  });
});

describe.each(files.filter(({ sent_by }) => sent_by === "client"))("a client's $type", ({ valid }) => {
  it.each(valid)("is written and read: $about", ({ json: text, msgpack: hex }) => {
    const message = json.decode(text) as object;
    expect(msgpack.decode(msgpack.encode(message) as Uint8Array)).toEqual(message);
    expect(msgpack.decode(bytes(hex))).toEqual(message);
  });
});

describe("an event's value", () => {
  const { values } = vectors<{ values: { about: string; json: string; msgpack: string }[] }>("values");
  /** In JSON an unpaired surrogate stays what it is; MessagePack has a question mark. */
  const isAlike = ({ json: text }: { json: string }): boolean => !/\\u[dD][89a-fA-F]/.test(text);

  it.each(values.filter(isAlike))("is the same as in JSON: $about", ({ json: text, msgpack: hex }) => {
    expect(msgpack.decode(bytes(hex))).toEqual(JSON.parse(text));
  });
});

describe("fields that are undefined", () => {
  it("are left out", () => {
    expect(msgpack.decode(msgpack.encode({ type: "hello", token: undefined }) as Uint8Array)).toEqual({
      type: "hello",
    });
  });
});
