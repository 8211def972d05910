/** A match's stats as the page shows them: the state of its room `stats:<match>`. Pure. */

import { fieldsOf, listOf, numberOf, numbersOf, textOf } from "./shape";
import { SIDES, type Side, sideOf, type Teams } from "./teams";

/** One minute of the momentum chart: positive if the home team pressed more, from -1 to 1. */
export interface Bar {
  readonly minute: number;
  readonly value: number;
}

export interface Period {
  readonly number: number;
  readonly firstMinute: number;
  readonly bars: readonly Bar[];
}

/** Pressure in one minute that fills a bar of a quiet match. In a busy one, the strongest minute does. */
const PRESSURE_MIN = 100;

/** How much of a bar comes from the minute before it: pressure does not end with the minute. */
const CARRIED = 0.45;

export function periodsOf(data: unknown): Period[] {
  const periods = listOf(fieldsOf(data).periods).map((period) => {
    const { number, first_minute: first, home, away } = fieldsOf(period);
    const pressures = pressuresOf(numbersOf(home), numbersOf(away));
    return { number: numberOf(number) ?? 0, firstMinute: numberOf(first) ?? 0, pressures };
  });
  const strongest = Math.max(PRESSURE_MIN, ...periods.flatMap(({ pressures }) => pressures.map(Math.abs)));
  return periods.map(({ number, firstMinute, pressures }) => ({
    number,
    firstMinute,
    bars: pressures.map((pressure, at) => ({ minute: firstMinute + at, value: pressure / strongest })),
  }));
}

/** How much more the home team pressed in each minute. */
function pressuresOf(home: readonly number[], away: readonly number[]): number[] {
  let carried = 0;
  return home.map((pressure, at) => {
    carried = carried * CARRIED + pressure - (away[at] ?? 0);
    return carried;
  });
}

export type KeyMomentKind = "goal" | "card" | "red" | "change" | "whistle";

export interface KeyMoment {
  readonly id: string | null;
  readonly kind: KeyMomentKind;
  readonly period: number;
  readonly minute: number;
  readonly team: string | null;
  readonly player: string | null;
  readonly note: string | null;
}

const KINDS: ReadonlySet<string> = new Set(["goal", "card", "red", "change", "whistle"]);

const isKind = (value: unknown): value is KeyMomentKind => typeof value === "string" && KINDS.has(value);

export function momentsOf(data: unknown): KeyMoment[] {
  return listOf(fieldsOf(data).moments).flatMap((item) => {
    const { id, kind, period, minute, team, player, note } = fieldsOf(item);
    if (!isKind(kind)) return [];
    return [
      {
        id: textOf(id),
        kind,
        period: numberOf(period) ?? 0,
        minute: numberOf(minute) ?? 0,
        team: textOf(team),
        player: textOf(player),
        note: textOf(note),
      },
    ];
  });
}

/** One line of the comparison: a number for each team. */
export interface Comparison {
  readonly name: string;
  readonly home: number;
  readonly away: number;
}

export function comparisonsOf(data: unknown): Comparison[] {
  const totals = fieldsOf(data);
  const count = (side: Side, name: string): number => numberOf(fieldsOf(totals[side])[name]) ?? 0;
  const both = (name: string, key: string): Comparison => ({
    name,
    home: count("home", key),
    away: count("away", key),
  });
  const [home = 0, away = 0] = SIDES.map((side) => count(side, "passes"));
  const possession = home + away === 0 ? 50 : Math.round((100 * home) / (home + away));
  return [
    { name: "Possession %", home: possession, away: 100 - possession },
    both("Shots", "shots"),
    both("On target", "on_target"),
    both("Passes", "passes"),
    both("Fouls", "fouls"),
  ];
}

/** The momentum of the last minutes in a sentence, for those who do not see the chart. */
export function momentumSentence(periods: readonly Period[], teams: Teams): string {
  const bars = periods.flatMap((period) => period.bars).slice(-5);
  if (bars.length === 0) return "No momentum yet";
  const sum = bars.reduce((total, bar) => total + bar.value, 0) / bars.length;
  if (Math.abs(sum) < 0.08) return "Momentum in the last five minutes: even";
  return `Momentum in the last five minutes: ${(sum > 0 ? teams.home : teams.away) ?? (sum > 0 ? "home" : "away")}`;
}

export const sideOfMoment = (moment: KeyMoment, teams: Teams): Side | null =>
  moment.team === null ? null : sideOf(teams, moment.team);
