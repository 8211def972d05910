/** The machine against a simulated server, log and network. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ActionInDoubt } from "../src/action-errors.js";
import { FAULTS, problems, randomFaults, simulate } from "./simulation/run.js";

const MINUTE_MS = 60_000;
const SEEDS = Array.from({ length: 100 }, (_, seed) => seed);

describe("a tab that is left open for 30 minutes, with 50 faults", () => {
  it.each(SEEDS)("has the sequence and the state of the log in the end (seed %i)", (seed) => {
    const durationMs = 30 * MINUTE_MS;
    const faults = randomFaults(seed, 50, durationMs);
    expect(problems(simulate({ seed, durationMs, faults, eventMs: 4_000, actionMs: 8_000 }))).toEqual([]);
  });
});

describe("a computer that sleeps twice, soon after its link died", () => {
  it("has actions in doubt, and nothing else is wrong", () => {
    const faults = [
      { kind: "deadLink", at: 0 },
      { kind: "sleep", at: 15_210 },
      { kind: "sleep", at: 105_572 },
    ] as const;
    const outcome = simulate({ seed: 319_226_649, durationMs: 3 * MINUTE_MS, faults, eventMs: 979, actionMs: 1_000 });
    expect([...outcome.client.outcomes.values()].filter((each) => each instanceof ActionInDoubt)).toHaveLength(8);
    expect(problems(outcome)).toEqual([]);
  });
});

describe("any faults at all", () => {
  const fault = fc.record({ kind: fc.constantFrom(...FAULTS), at: fc.nat(2 * MINUTE_MS) });

  it("leave every event once, in order, and the right state", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fault, { maxLength: 12 }),
        fc.integer({ min: 500, max: 5_000 }),
        (seed, faults, eventMs) => {
          const plan = { seed, durationMs: 3 * MINUTE_MS, faults, eventMs, actionMs: 1_000 };
          expect(problems(simulate(plan))).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
