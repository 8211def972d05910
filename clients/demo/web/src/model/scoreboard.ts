/** A match's state as its room `score:<match>` has it, by key. Pure. */

import { isObject, nameOf, numberOf, textOf } from "./shape";
import type { Side, Teams } from "./teams";

export interface Score {
  readonly teams: Teams;
  readonly goals: Readonly<Record<Side, number>>;
}

export interface Period {
  readonly number: number;
  readonly name: string;
  readonly isPlaying: boolean;
}

export interface Clock {
  readonly minute: number;
  readonly second: number;
}

export interface Goal {
  readonly team: string | null;
  readonly player: string | null;
  readonly minute: number | null;
  readonly isOwnGoal: boolean;
  /** The score with this goal. */
  readonly score: Readonly<Record<Side, number>> | null;
}

/** Each of these returns null for data of another shape. */
export function scoreOf(data: unknown): Score | null {
  if (!isObject(data)) return null;
  const [home, away] = [nameOf(data.home), nameOf(data.away)];
  const goals = goalsOf(isObject(data.home) ? data.home.goals : null, isObject(data.away) ? data.away.goals : null);
  return home && away && goals ? { teams: { home, away }, goals } : null;
}

export function periodOf(data: unknown): Period | null {
  const name = isObject(data) ? textOf(data.name) : null;
  if (!isObject(data) || name === null) return null;
  return { number: numberOf(data.number) ?? 0, name, isPlaying: data.playing === true };
}

export function clockOf(data: unknown): Clock | null {
  const minute = isObject(data) ? numberOf(data.minute) : null;
  if (!isObject(data) || minute === null) return null;
  return { minute, second: numberOf(data.second) ?? 0 };
}

export function goalOf(data: unknown): Goal | null {
  if (!isObject(data) || !isObject(data.score)) return null;
  return {
    team: textOf(data.team),
    player: textOf(data.player),
    minute: numberOf(data.minute),
    isOwnGoal: data.own_goal === true,
    score: goalsOf(data.score.home, data.score.away),
  };
}

function goalsOf(home: unknown, away: unknown): Readonly<Record<Side, number>> | null {
  const goals = { home: numberOf(home), away: numberOf(away) };
  return goals.home === null || goals.away === null ? null : { home: goals.home, away: goals.away };
}

/** The goal as it is announced to those who do not see the page. */
export function goalSentence({ team, player, minute, score }: Goal, teams: Teams): string {
  const scorer = player === null ? "" : ` by ${player}`;
  const result = score === null ? "" : ` ${teams.home} ${score.home}, ${teams.away} ${score.away}.`;
  return `Goal for ${team}${scorer}, minute ${minute}.${result}`;
}

export const isOver = (period: Period | null): boolean => period?.name === "Full-time";
