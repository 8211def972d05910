import { describe, expect, test } from "vitest";

import { type Action, actionOf, Ball } from "../src/model/ball";
import { type MatchEvent, matchEventOf, type Place } from "../src/model/match_event";

const TEAMS = { home: "Alder Vale", away: "Birch End" };

function eventOf(data: object): MatchEvent {
  const event = matchEventOf(data);
  if (event === null) throw new Error("not an event");
  return event;
}

const pass = (team: string, from: number[], to: number[]): MatchEvent =>
  eventOf({ type: { name: "Pass" }, team: { name: team }, location: from, pass: { end_location: to } });

const action = (from: Place, to: Place): Action => ({
  id: 1,
  side: "home",
  kind: "pass",
  moment: "",
  isLost: false,
  from,
  to,
  event: pass("Alder Vale", [0, 0], [0, 0]),
});

describe("an action", () => {
  test("of the away team is seen from the other side", () => {
    expect(actionOf(pass("Alder Vale", [30, 20], [60, 10]), TEAMS, 1)).toMatchObject({ from: [30, 20], to: [60, 10] });
    expect(actionOf(pass("Birch End", [30, 20], [60, 10]), TEAMS, 1)).toMatchObject({ from: [90, 60], to: [60, 70] });
  });

  test("needs a place, and the ball", () => {
    expect(actionOf(eventOf({ type: { name: "Pass" } }), TEAMS, 1)).toBeNull();
    expect(actionOf(eventOf({ type: { name: "Pressure" }, location: [1, 2] }), TEAMS, 1)).toBeNull();
    expect(actionOf(eventOf({ type: { name: "Pass" }, location: ["x", 2] }), TEAMS, 1)).toBeNull();
  });

  test("that is a shot without an end goes to the goal", () => {
    const shot = eventOf({ type: { name: "Shot" }, team: { name: "Birch End" }, location: [100, 40] });
    expect(actionOf(shot, TEAMS, 1)).toMatchObject({ kind: "shot", from: [20, 40], to: [0, 40] });
  });
});

describe("the ball", () => {
  test("flies along the actions and ends where the last one does", () => {
    const ball = new Ball();
    ball.add(action([60, 40], [80, 40]));
    expect(ball.at(1000)).toEqual([60, 40]);
    const [x] = ball.at(1100);
    expect(x).toBeGreaterThan(60);
    expect(x).toBeLessThan(80);
    expect(ball.at(9000)).toEqual([80, 40]);
    expect(ball.isMoving).toBe(false);
  });

  test("is never more than a moment behind a flood of actions", () => {
    const ball = new Ball();
    for (let x = 0; x < 100; x += 1) ball.add(action([x, 10], [x + 1, 70]));
    let ms = 0;
    for (; ball.isMoving; ms += 16) ball.at(ms);
    expect(ms).toBeLessThan(3000);
    expect(ball.at(ms)).toEqual([100, 70]);
  });

  test("lands at once where motion is not wanted", () => {
    const ball = new Ball();
    ball.add(action([10, 10], [20, 20]));
    ball.land();
    expect(ball.at(0)).toEqual([20, 20]);
  });
});
