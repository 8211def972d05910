/**
 * Where the ball is on the pitch, and the actions that took it there. Pure: the caller passes the time.
 *
 * Events arrive in bursts, and faster than the ball could fly: the more of them wait, the faster it moves, and beyond
 * `LEGS_MAX` it skips the oldest. So what is shown is never more than a moment behind what has happened.
 */

import type { MatchEvent, Moment, Place } from "./match_event";
import { type Side, sideOf, type Teams } from "./teams";

export const LENGTH = 120;
export const WIDTH = 80;

/** Something that moved the ball, in a view where the home team plays to the right. */
export interface Action {
  readonly id: number;
  readonly side: Side;
  readonly kind: "pass" | "carry" | "shot" | "touch";
  readonly moment: Moment;
  readonly isLost: boolean;
  readonly from: Place;
  readonly to: Place;
  readonly event: MatchEvent;
}

const GOAL_MOUTH: Place = [LENGTH, WIDTH / 2];

/** Events that are about a player without the ball, or that only repeat what the one before said. */
const OFF_THE_BALL = new Set([
  "Pressure",
  "Ball Receipt*",
  "Goal Keeper",
  "Dribbled Past",
  "Block",
  "Camera On",
  "Camera off",
]);

/** The action in `event`; null if it does not move the ball. */
export function actionOf(event: MatchEvent, teams: Teams, id: number): Action | null {
  if (event.from === null || OFF_THE_BALL.has(event.kind)) return null;
  const side = sideOf(teams, event.team);
  const seen = ([x, y]: Place): Place => (side === "home" ? [x, y] : [LENGTH - x, WIDTH - y]);
  const kind = kindOf(event.kind);
  const to = event.to ?? (kind === "shot" ? GOAL_MOUTH : event.from);
  return {
    id,
    side,
    kind,
    moment: event.moment,
    isLost: kind === "pass" && isObjectWithOutcome(event.details.pass),
    from: seen(event.from),
    to: seen(to),
    event,
  };
}

const isObjectWithOutcome = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "outcome" in value;

function kindOf(kind: string): Action["kind"] {
  if (kind === "Pass") return "pass";
  if (kind === "Shot") return "shot";
  return kind === "Carry" || kind === "Dribble" ? "carry" : "touch";
}

const LEGS_MAX = 10;
const LEG_MS_MIN = 90;
const LEG_MS_MAX = 650;
const MS_PER_YARD = 16;
const SHOT_MS_PER_YARD = 9;

interface Leg {
  readonly from: Place;
  readonly to: Place;
  readonly ms: number;
}

export class Ball {
  #place: Place = [LENGTH / 2, WIDTH / 2];
  #legs: Leg[] = [];
  #leg: Leg | null = null;
  #startedMs = 0;

  /** The ball has been moved. */
  add({ from, to, kind }: Action): void {
    const before = this.#legs.at(-1)?.to ?? this.#leg?.to ?? this.#place;
    this.#push(before, from, MS_PER_YARD);
    this.#push(from, to, kind === "shot" ? SHOT_MS_PER_YARD : MS_PER_YARD);
    if (this.#legs.length > LEGS_MAX) this.#legs.splice(0, this.#legs.length - LEGS_MAX);
  }

  /** Put the ball where it was moved to last, without a flight. */
  land(): void {
    this.#place = this.#legs.at(-1)?.to ?? this.#leg?.to ?? this.#place;
    this.#legs = [];
    this.#leg = null;
  }

  get isMoving(): boolean {
    return this.#leg !== null || this.#legs.length > 0;
  }

  /** Where the ball is at `nowMs`. */
  at(nowMs: number): Place {
    while (this.#leg !== null || this.#legs.length > 0) {
      this.#leg ??= this.#begin(nowMs);
      if (this.#leg === null) break;
      const { from, to, ms } = this.#leg;
      const share = (nowMs - this.#startedMs) / (ms / (1 + this.#legs.length / 2));
      this.#place = share < 1 ? between(from, to, eased(Math.max(0, share))) : to;
      if (share < 1) break;
      this.#leg = null;
      if (this.#legs.length === 0) break;
    }
    return this.#place;
  }

  #begin(nowMs: number): Leg | null {
    this.#startedMs = nowMs;
    return this.#legs.shift() ?? null;
  }

  #push(from: Place, to: Place, msPerYard: number): void {
    const yards = Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (yards < 0.5) return;
    this.#legs.push({ from, to, ms: Math.min(LEG_MS_MAX, Math.max(LEG_MS_MIN, yards * msPerYard)) });
  }
}

/** Fast at first, as a ball that is kicked. */
const eased = (share: number): number => 1 - (1 - share) ** 2;

const between = ([x, y]: Place, [toX, toY]: Place, share: number): Place => [
  x + (toX - x) * share,
  y + (toY - y) * share,
];
