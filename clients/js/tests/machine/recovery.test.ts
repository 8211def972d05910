/** The tables of codes against the protocol's vectors, which the other SDKs are held to as well. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CloseCode, ErrorCode, NackCode } from "../../src/codes.js";
import { RECOVERABLE_NACKS } from "../../src/machine/actions/nack-codes.js";
import { isFinal } from "../../src/machine/close-reason.js";
import { RECOVERABLE_ERRORS } from "../../src/recovery-codes.js";

interface Vectors {
  errors: { code: string; recovery: string }[];
  nacks: { code: string; recovery: string }[];
  closes: { code: number; name: string; recovery: string }[];
  other_closes: { code: number; recovery: string }[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../../../../protocol/vectors/codes.json", import.meta.url), "utf-8"),
);

describe("the codes of the vectors", () => {
  it("are all there, and no others", () => {
    expect(Object.values(ErrorCode).sort()).toEqual(vectors.errors.map(({ code }) => code).sort());
    expect(Object.values(NackCode).sort()).toEqual(vectors.nacks.map(({ code }) => code).sort());
    const closes = vectors.closes.map(({ code, name }) => [name.toUpperCase(), code]);
    expect(CloseCode).toEqual(Object.fromEntries(closes));
  });

  it.each(vectors.errors)("error $code: $recovery", ({ code, recovery }) => {
    expect(RECOVERABLE_ERRORS.has(code)).toBe(recovery !== "give_up");
  });

  it.each(vectors.nacks)("nack $code: $recovery", ({ code, recovery }) => {
    expect(RECOVERABLE_NACKS.has(code)).toBe(recovery !== "give_up");
  });

  it.each([...vectors.closes, ...vectors.other_closes])("close $code: $recovery", ({ code, recovery }) => {
    expect(isFinal(code)).toBe(recovery === "give_up");
  });
});
