/** Cursors as one string, held to the protocol's vectors. */
import { describe, expect, it } from "vitest";
import { formatCursor, parseCursor } from "../../src/machine/rooms/cursor.js";
import { vectors } from "../vectors.js";

interface CursorVectors {
  readonly valid: readonly { about: string; cursor: string; epoch: string; offset: number; ts?: number | null }[];
  readonly invalid: readonly { about: string; cursor: string }[];
}

const { valid, invalid } = vectors<CursorVectors>("cursors");

describe("a cursor", () => {
  it.each(valid)("is read: $cursor", ({ cursor, epoch, offset, ts = null }) => {
    expect(parseCursor(cursor)).toEqual({ epoch, offset, ts });
  });

  it.each(valid.filter(({ offset }) => Number.isSafeInteger(offset)))("is written: $cursor", ({ cursor }) => {
    const parsed = parseCursor(cursor);
    expect(parsed === null ? null : formatCursor(parsed)).toBe(cursor);
  });

  it.each(invalid)("is refused: $about", ({ cursor }) => {
    expect(parseCursor(cursor)).toBeNull();
  });
});
