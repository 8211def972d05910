/**
 * One event of the feed `match`, whether it comes from StatsBomb or from the simulator, as the page uses it. Pure.
 *
 * Places are in yards on a pitch of 120 by 80, and the acting team plays towards the greater x.
 */

import { type Fields, fieldsOf, listOf, nameOf, numberOf, textOf } from "./shape";

export type Place = readonly [x: number, y: number];

/** What a reader of key moments wants to see; "" is ordinary play. */
export type Moment = "goal" | "card" | "red" | "shot" | "change" | "whistle" | "";

export interface MatchEvent {
  readonly id: string | null;
  readonly kind: string;
  readonly team: string | null;
  readonly player: string | null;
  readonly period: number | null;
  readonly minute: number | null;
  readonly from: Place | null;
  readonly to: Place | null;
  readonly moment: Moment;
  /** All other fields. */
  readonly details: Fields;
}

/** The event in `data`; null if it is not one. */
export function matchEventOf(data: unknown): MatchEvent | null {
  const details = fieldsOf(data);
  const kind = nameOf(details.type);
  if (kind === null) return null;
  const minute = numberOf(details.minute);
  return {
    id: textOf(details.id),
    kind,
    team: nameOf(details.team),
    player: nameOf(details.player),
    period: numberOf(details.period),
    minute: Number.isInteger(minute) ? minute : null,
    from: placeOf(details.location),
    to: placeOf(endOf(kind, details)),
    moment: momentOf(kind, details),
    details,
  };
}

function placeOf(value: unknown): Place | null {
  const [x, y] = listOf(value).map(numberOf);
  return x === null || x === undefined || y === null || y === undefined ? null : [x, y];
}

const PARTS: Readonly<Record<string, string>> = {
  Pass: "pass",
  Carry: "carry",
  Shot: "shot",
  "Goal Keeper": "goalkeeper",
};

const endOf = (kind: string, details: Fields): unknown => fieldsOf(details[PARTS[kind] ?? ""]).end_location;

/** The name of the card that was shown, if there was one. */
export const cardOf = (details: Fields): string | null =>
  nameOf(fieldsOf(details.foul_committed ?? details.bad_behaviour).card);

export const isGoal = (details: Fields): boolean => nameOf(fieldsOf(details.shot).outcome) === "Goal";

const SHOOT_OUT = 5;

function momentOf(kind: string, details: Fields): Moment {
  const card = cardOf(details);
  if (kind === "Shot") return isGoal(details) && details.period !== SHOOT_OUT ? "goal" : "shot";
  if (kind === "Own Goal For") return contradictsItself(details) ? "" : "goal";
  if (card !== null) return card === "Yellow Card" ? "card" : "red";
  if (kind === "Substitution") return "change";
  return kind === "Half Start" || kind === "Half End" ? "whistle" : "";
}

const FIRST_MINUTES: Readonly<Record<number, number>> = { 1: 0, 2: 45, 3: 90, 4: 105, 5: 120 };
const CLOCK_TOLERANCE_S = 2;

/** Whether the two times of an own goal contradict each other. Real files have such records; they do not count. */
export function contradictsItself(details: Fields): boolean {
  const first = FIRST_MINUTES[numberOf(details.period) ?? 0];
  const timestamp = textOf(details.timestamp);
  if (first === undefined || timestamp === null) return false;
  const [hours = 0, minutes = 0, seconds = 0] = timestamp.split(":").map(Number);
  const byPeriod = first * 60 + hours * 3600 + minutes * 60 + seconds;
  const byClock = (numberOf(details.minute) ?? 0) * 60 + (numberOf(details.second) ?? 0);
  return Math.abs(byClock - byPeriod) > CLOCK_TOLERANCE_S;
}
