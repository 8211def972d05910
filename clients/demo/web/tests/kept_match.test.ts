import { describe, expect, test } from "vitest";

import { type KeptMatch, keptMatchOf, textOfKeptMatch } from "../src/model/kept_match";

const KEPT: KeptMatch = {
  id: "1001",
  cursor: "a1.17",
  events: [
    { offset: 11, data: { type: { name: "Pass" } } },
    { offset: 17, data: { type: { name: "Shot" }, minute: 3 } },
  ],
  isKeyOnly: true,
};

describe("what is kept of a match", () => {
  test("is the same after a reload", () => {
    expect(keptMatchOf(textOfKeptMatch(KEPT))).toEqual(KEPT);
  });

  test.each([null, "", "{", "null", "[]", "7", "{}"])("counts as absent if it is %j", (text) => {
    expect(keptMatchOf(text)).toBeNull();
  });

  test.each([
    { id: 7 },
    { cursor: null },
    { events: null },
    { events: {} },
    { events: [null] },
    { events: [{ offset: "1", data: {} }] },
  ])("counts as absent with %j in it", (damage) => {
    expect(keptMatchOf(JSON.stringify({ ...KEPT, ...damage }))).toBeNull();
  });
});
