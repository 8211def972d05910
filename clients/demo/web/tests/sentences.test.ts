import { expect, test } from "vitest";

import { matchEventOf } from "../src/model/match_event";
import { sentenceOf } from "../src/model/sentences";

const ANA = { team: { name: "Alder Vale" }, player: { name: "Ana Field" }, period: 1, minute: 3, second: 0 };

const told = (kind: string, details: object = {}): string => {
  const event = matchEventOf({ ...ANA, type: { name: kind }, ...details });
  if (event === null) throw new Error("not an event");
  const { who, what } = sentenceOf(event);
  return `${who}: ${what}`;
};

test.each([
  ["Pass", { pass: { recipient: { name: "Bo Stone" }, outcome: { name: "Out" } } }, "pass to Bo Stone, out of play"],
  ["Pass", { pass: { type: { name: "Corner" } } }, "corner"],
  ["Pass", { pass: { cross: true } }, "cross"],
  ["Pass", {}, "pass"],
  ["Shot", { shot: { body_part: { name: "Head" }, outcome: { name: "Post" } } }, "header, against the post"],
  ["Shot", { shot: { type: { name: "Penalty" }, outcome: { name: "Goal" } } }, "penalty, goal"],
  ["Foul Committed", { foul_committed: { card: { name: "Yellow Card" } } }, "foul, yellow card"],
  ["Substitution", { substitution: { replacement: { name: "Bo Stone" } } }, "off, Bo Stone comes on"],
  ["Goal Keeper", { goalkeeper: { type: { name: "Punch" } } }, "punches the ball away"],
  ["Duel", { duel: { type: { name: "Tackle" } } }, "tackles"],
  ["Something New", {}, "something new"],
])("%s %o is told as %s", (kind, details, what) => {
  expect(told(kind, details)).toBe(`Ana Field: ${what}`);
});

test.each([
  ["Shot", { shot: { outcome: { name: "Goal" } } }, "goal"],
  ["Shot", { shot: { outcome: { name: "Goal" } }, period: 5 }, "shot"],
  ["Shot", { shot: { outcome: { name: "Saved" } } }, "shot"],
  ["Own Goal For", { timestamp: "00:03:00.000" }, "goal"],
  ["Own Goal For", { timestamp: "00:23:00.000" }, ""],
  ["Bad Behaviour", { bad_behaviour: { card: { name: "Red Card" } } }, "red"],
  ["Substitution", {}, "change"],
  ["Half End", {}, "whistle"],
  ["Carry", {}, ""],
])("%s %o is the moment “%s”", (kind, details, moment) => {
  expect(matchEventOf({ ...ANA, type: { name: kind }, ...details })?.moment).toBe(moment);
});

test.each([null, 7, "text", [], {}, { type: null }, { type: { name: 3 } }])("%o is not an event", (data) => {
  expect(matchEventOf(data)).toBeNull();
});
