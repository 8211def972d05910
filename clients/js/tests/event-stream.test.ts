/** Event streams, held to the protocol's vectors, in pieces of any size. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventStream, type StreamItem } from "../src/transport/event-stream.js";
import { vectors } from "./vectors.js";

interface StreamVectors {
  readonly blocks: readonly { about: string; message: { type: string; reconnect_ms?: number }; block: string }[];
  readonly read_as: readonly { about: string; stream: string; last_event_id: string; message: object }[];
}

const { blocks, read_as } = vectors<StreamVectors>("event-stream");

function parse(pieces: readonly string[]): StreamItem[] {
  const stream = new EventStream();
  return pieces.flatMap((piece) => stream.push(piece));
}

const messages = (items: readonly StreamItem[]): unknown[] =>
  items.flatMap((item) => (item.type === "data" ? [JSON.parse(item.data)] : []));

describe("a stream", () => {
  it.each(blocks.filter(({ message }) => message.type !== "beat"))("has a message: $about", ({ message, block }) => {
    expect(messages(parse([block]))).toEqual([message]);
  });

  it("has beats as comments", () => {
    const beat = blocks.find(({ message }) => message.type === "beat");
    expect(parse([beat?.block ?? ""])).toEqual([{ type: "comment", text: "beat" }]);
  });

  it("says when to come back", () => {
    const goaway = blocks.find(({ message }) => message.reconnect_ms === 850);
    expect(parse([goaway?.block ?? ""])[0]).toEqual({ type: "retry", retryMs: 1850 });
  });

  it.each(read_as)("is read: $about", ({ stream, last_event_id, message }) => {
    const items = parse([stream]);
    expect(messages(items)).toEqual([message]);
    expect(items.find((item) => item.type === "data")).toMatchObject({ lastEventId: last_event_id });
  });

  it("means the same in any pieces", () => {
    const streams = [...blocks.map(({ block }) => block), ...read_as.map(({ stream }) => stream)];
    const text = `\ufeff${streams.join("")}`;
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 30 }), (cuts) => {
        const places = [0, ...cuts.sort((one, other) => one - other), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(parse(pieces)).toEqual(parse([text]));
      }),
    );
  });
});
