/** What an action may carry, held to the protocol's vectors. */
import { describe, expect, it } from "vitest";
import { BadArgument } from "../../src/errors.js";
import { actionData, checkKind } from "../../src/machine/actions/action-data.js";
import { jsonOf } from "../../src/machine/actions/json-of.js";
import { vectors } from "../vectors.js";

interface DataVectors {
  readonly data: readonly { about: string; json?: string; in_log?: string; reason?: string }[];
}

const valid = vectors<DataVectors>("action-data").data.filter(({ in_log }) => in_log !== undefined);

describe("an action's data", () => {
  it.each(valid.filter(({ json }) => json))("is sent as it is: $about", ({ json = "", in_log = "" }) => {
    const { value, sizeBytes } = actionData(jsonOf(JSON.parse(json)));
    expect(value).toEqual(JSON.parse(in_log));
    expect(sizeBytes).toBe(new TextEncoder().encode(JSON.stringify(value)).length);
  });

  it("is null if there is none", () => {
    expect(actionData(jsonOf(undefined))).toEqual({ value: null, sizeBytes: 4 });
  });

  it.each([
    ...[Number.NaN, Number.POSITIVE_INFINITY, { deep: [Number.NaN] }, 1n, () => 1, { deep: () => 1 }, Symbol("s")],
    ...[new Map([[1, 2]]), [new Set([1])]],
  ])("is refused if JSON has no %s", (data) => {
    expect(() => actionData(jsonOf(data))).toThrow(BadArgument);
  });

  it("has no unpaired surrogates, and keeps what only looks like one", () => {
    expect(actionData(jsonOf({ "a\ud83d": "b\udc00", emoji: "\ud83c\udfdf", text: "\\ud83d" })).value).toEqual({
      "a\ufffd": "b\ufffd",
      emoji: "\ud83c\udfdf",
      text: "\\ud83d",
    });
  });

  it("is a copy: what the caller changes later is not sent", () => {
    const data = { x: [1] };
    const { value } = actionData(jsonOf(data));
    data.x.push(2);
    expect(value).toEqual({ x: [1] });
  });
});

describe("an action's kind", () => {
  it.each(["tap", "A-1_b.c", "x".repeat(64)])("may be %s", (kind) => {
    expect(() => checkKind(kind)).not.toThrow();
  });

  it.each(["", "x".repeat(65), "a b", "é"])("may not be %s", (kind) => {
    expect(() => checkKind(kind)).toThrow(BadArgument);
  });
});
