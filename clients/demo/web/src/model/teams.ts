/** Names and colours of two teams. Pure. */

export type Side = "home" | "away";

export const SIDES: readonly Side[] = ["home", "away"];

export interface Teams {
  readonly home: string | null;
  readonly away: string | null;
}

export const NO_TEAMS: Teams = { home: null, away: null };

export const sideOf = (teams: Teams, team: string | null): Side =>
  team !== null && team === teams.away ? "away" : "home";

/** Hues that a team can have: neither the pitch's green nor the yellow of a booking. */
const HUES_FROM = 195;
const HUES = 225;

/** Colours for two teams, as hues of OKLCH: the same for the same names, and well apart. */
export function huesOf(teams: Teams): Readonly<Record<Side, number>> {
  const first = placeOf(teams.home ?? "");
  const second = placeOf(teams.away ?? "");
  const isNear = Math.abs(first - second) < HUES / 3;
  const hue = (place: number): number => Math.round((HUES_FROM + place) % 360);
  return { home: hue(first), away: hue(isNear ? (first + HUES / 2) % HUES : second) };
}

function placeOf(name: string): number {
  let value = 7;
  for (const character of name) value = (value * 31 + (character.codePointAt(0) ?? 0)) % (HUES * 10);
  return value / 10;
}

/** A short form of a team's name, as on a scoreboard: "AV" for Alder Vale, "GIR" for Girona. */
export function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  if (words.length === 1) return name.trim().slice(0, 3).toUpperCase();
  return words
    .slice(0, 2)
    .map((word) => word.charAt(0).toUpperCase())
    .join("");
}
