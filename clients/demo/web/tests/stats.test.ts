import { describe, expect, test } from "vitest";

import { comparisonsOf, momentsOf, momentumSentence, periodsOf } from "../src/model/stats";

const TEAMS = { home: "Alder Vale", away: "Birch End" };
const momentum = (home: number[], away: number[]): object => ({
  periods: [{ number: 2, first_minute: 45, home, away }],
});

describe("momentum", () => {
  test("has a bar for each minute, up for home and down for away, and carries some of it over", () => {
    const [period] = periodsOf(momentum([50, 0, 0], [0, 0, 80]));
    expect(period?.bars.map(({ minute }) => minute)).toEqual([45, 46, 47]);
    const values = period?.bars.map(({ value }) => value) ?? [];
    expect(values[0]).toBeGreaterThan(values[1] ?? 1);
    expect(values[1]).toBeGreaterThan(0);
    expect(values[2]).toBeLessThan(0);
  });

  test("stays on the chart, whatever is published", () => {
    const [period] = periodsOf(momentum([1e9, Number.NaN], [0]));
    expect(period?.bars.map(({ value }) => value)).toEqual([1, 0.45]);
    for (const data of [null, 7, [], { periods: 3 }]) expect(periodsOf(data)).toEqual([]);
  });

  test("is told in a sentence", () => {
    expect(momentumSentence([], TEAMS)).toBe("No momentum yet");
    expect(momentumSentence(periodsOf(momentum([90], [0])), TEAMS)).toContain("Alder Vale");
    expect(momentumSentence(periodsOf(momentum([0], [90])), TEAMS)).toContain("Birch End");
    expect(momentumSentence(periodsOf(momentum([9], [9])), TEAMS)).toContain("even");
  });
});

test("possession is the share of passes, and half each without any", () => {
  const [possession] = comparisonsOf({ home: { passes: 30 }, away: { passes: 10 } });
  expect(possession).toMatchObject({ home: 75, away: 25 });
  expect(comparisonsOf(null)[0]).toMatchObject({ home: 50, away: 50 });
});

test("moments of unknown kinds are left out", () => {
  const moments = momentsOf({ moments: [{ kind: "goal", minute: 3 }, { kind: "streaker" }, null] });
  expect(moments.map(({ kind, minute }) => [kind, minute])).toEqual([["goal", 3]]);
});
