import { describe, expect, test } from "vitest";

import { CatchUpCounter } from "../src/model/catch_up";
import { COLUMNS, durationText, heightOf, LatencyLog } from "../src/model/latency";
import { clockOf, goalOf, goalSentence, periodOf, scoreOf } from "../src/model/scoreboard";
import { huesOf, initialsOf } from "../src/model/teams";

describe("latency", () => {
  test("has the slowest event of each second, and the median of the newest", () => {
    const log = new LatencyLog();
    for (const ms of [5, 900, 7]) log.add(ms, 60_500);
    log.add(6, 62_000);
    const columns = log.columns(62_900);
    expect(columns).toHaveLength(COLUMNS);
    expect(columns.slice(-3)).toEqual([900, null, 6]);
    expect(log.medianMs).toBe(7);
  });

  test("is forgotten after a minute", () => {
    const log = new LatencyLog();
    for (let second = 0; second < 1000; second += 1) log.add(second, second * 1000);
    expect(log.columns(999_000)[0]).toBe(999 - COLUMNS + 1);
    expect(log.columns(9_999_000).every((ms) => ms === null)).toBe(true);
  });

  test("is drawn so that milliseconds and seconds are both seen", () => {
    expect(heightOf(0)).toBeGreaterThan(0);
    expect(heightOf(5)).toBeLessThan(heightOf(50));
    expect(heightOf(1e9)).toBe(1);
    expect([durationText(4.4), durationText(2345), durationText(23_456)]).toEqual(["4 ms", "2.3 s", "23 s"]);
  });
});

describe("a catch-up", () => {
  test("counts what had happened before the network was good again", () => {
    const counter = new CatchUpCounter();
    counter.begin(10_000);
    counter.take(8_000, 10_010);
    counter.take(500, 10_040);
    counter.take(1, 10_100); // has just happened
    expect(counter.end(10_200, 400)).toBeNull();
    expect(counter.end(10_440, 400)).toEqual({ events: 2, ms: 40 });
    expect(counter.end(20_000, 400)).toBeNull();
  });

  test("of nothing is not one", () => {
    const counter = new CatchUpCounter();
    counter.take(8_000, 10_010);
    counter.begin(10_000);
    expect(counter.end(11_000, 400)).toBeNull();
  });
});

describe("a team", () => {
  const NAMES = ["Alder Vale", "Birch End", "Barcelona", "Deportivo Alavés", "Girona", "", "x"];

  test("never has the colour of the pitch, or nearly that of the other", () => {
    for (const home of NAMES) {
      for (const away of NAMES) {
        const hues = huesOf({ home, away });
        for (const hue of [hues.home, hues.away]) expect(hue < 62 || hue > 194).toBe(true);
        expect(Math.abs(hues.home - hues.away)).toBeGreaterThan(30);
      }
    }
  });

  test("has initials", () => {
    expect([initialsOf("Deportivo Alavés"), initialsOf("Girona"), initialsOf("")]).toEqual(["DA", "GIR", ""]);
  });
});

describe("the state of a match", () => {
  const SCORE = { home: { name: "Alder Vale", goals: 1 }, away: { name: "Birch End", goals: 0 } };

  test.each([null, 7, "text", [], {}, { home: {} }, { name: 3 }, { minute: "?" }])("is not read from %o", (data) => {
    for (const read of [scoreOf, clockOf, periodOf, goalOf]) expect(read(data)).toBeNull();
  });

  test("is read from what the scoreboard publishes", () => {
    expect(scoreOf(SCORE)?.goals).toEqual({ home: 1, away: 0 });
    expect(periodOf({ number: 2, name: "Half-time", playing: false })?.isPlaying).toBe(false);
    expect(clockOf({ minute: 62, second: 3 })?.minute).toBe(62);
  });

  test("announces a goal", () => {
    const goal = goalOf({
      team: "Birch End",
      player: "Cy Wood",
      minute: 63,
      own_goal: false,
      score: { home: 1, away: 1 },
    });
    const teams = { home: "Alder Vale", away: "Birch End" };
    expect(goal && goalSentence(goal, teams)).toBe(
      "Goal for Birch End by Cy Wood, minute 63. Alder Vale 1, Birch End 1.",
    );
  });
});
