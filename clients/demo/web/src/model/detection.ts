/** Bots, findings and verdicts as the page shows them: the state of the room `cheatwatch:demo`. Pure. */

import { durationText } from "./latency";
import { type Fields, fieldsOf, isObject, numberOf, numbersOf, textOf } from "./shape";

export interface Verdict {
  readonly kind: string;
  readonly until: number | null;
}

export interface Bot {
  readonly key: string;
  readonly player: string;
  readonly cheat: string;
  readonly done: number;
  readonly refused: number;
  readonly verdict: Verdict | null;
  readonly ended: string | null;
  readonly close: number | null;
}

export interface Finding {
  readonly key: string;
  readonly ts: number;
  readonly player: string;
  readonly rule: string;
  readonly evidence: string;
  readonly gauge: Gauge | null;
  readonly verdict: Verdict | null;
}

/** What was measured beside what a person can do. `share`s are places on a scale from 0 to 1. */
export interface Gauge {
  readonly share: number;
  readonly limitShare: number;
  /** Whether people are below the limit, as for a rate, or above it, as for a reaction. */
  readonly isMaximum: boolean;
  readonly measured: string;
  readonly limit: string;
}

function verdictOf(value: unknown): Verdict | null {
  const { kind, until } = fieldsOf(value);
  return typeof kind === "string" ? { kind, until: numberOf(until) } : null;
}

/** The bot in `data`; null if there is none. */
export function botOf(key: string, data: unknown): Bot | null {
  if (!isObject(data)) return null;
  return {
    key,
    player: textOf(data.player) ?? "",
    cheat: textOf(data.cheat) ?? "",
    done: numberOf(data.done) ?? 0,
    refused: numberOf(data.refused) ?? 0,
    verdict: verdictOf(data.verdict),
    ended: textOf(data.ended),
    close: numberOf(data.close),
  };
}

/** The finding in `data`; null if there is none. */
export function findingOf(key: string, data: unknown, ts: number): Finding | null {
  if (!isObject(data)) return null;
  const rule = textOf(data.rule) ?? "";
  const evidence = fieldsOf(data.evidence);
  return {
    key,
    ts,
    player: textOf(data.player) ?? "",
    rule,
    evidence: RULES[rule]?.words(evidence) ?? JSON.stringify(data.evidence ?? null),
    gauge: RULES[rule]?.gauge(evidence) ?? null,
    verdict: verdictOf(data.verdict),
  };
}

interface Rule {
  readonly words: (evidence: Fields) => string | null;
  readonly gauge: (evidence: Fields) => Gauge | null;
}

/** The limits of the demo's rules that evidence does not name: `rules.toml`. */
const TAPS_PER_S_MAX = 12;
const VARIATION_MIN = 0.003;

const RULES: Readonly<Record<string, Rule>> = {
  rate: {
    words: ({ actions, seconds }) => (actions === undefined ? null : `${actions} taps in ${seconds}\u00a0s`),
    gauge: ({ actions, seconds }) => {
      const perS = (numberOf(actions) ?? 0) / (numberOf(seconds) || 1);
      return gauge(perS, TAPS_PER_S_MAX, true, `${perS.toFixed(1)} a second`, `a person: ${TAPS_PER_S_MAX}`);
    },
  },
  regularity: {
    words: ({ actions, interval_ms: ms, variation }) =>
      actions === undefined ? null : `${actions} taps, one every ${ms} ms, ${percent(numberOf(variation) ?? 0)} apart`,
    gauge: ({ variation }) => {
      const measured = numberOf(variation) ?? 0;
      return gauge(measured, VARIATION_MIN, false, `${percent(measured)} apart`, `a person: ${percent(VARIATION_MIN)}`);
    },
  },
  reaction: {
    words: ({ reactions_ms: times, human_ms_min: human }) =>
      Array.isArray(times) ? `joined after ${times.join(", ")} ms; a person takes ${human} ms` : null,
    gauge: ({ reactions_ms: times, human_ms_min: human }) => {
      const slowest = Math.max(0, ...numbersOf(times));
      const limit = numberOf(human) ?? 0;
      return gauge(slowest, limit, false, durationText(slowest), `a person: ${durationText(limit)}`);
    },
  },
};

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

/** The limit is in the middle of the scale. */
function gauge(
  measured: number,
  limit: number,
  isMaximum: boolean,
  measuredText: string,
  limitText: string,
): Gauge | null {
  if (!(limit > 0)) return null;
  return {
    share: Math.min(1, measured / limit / 2),
    limitShare: 0.5,
    isMaximum,
    measured: measuredText,
    limit: limitText,
  };
}

const WORDS: Readonly<Record<string, string>> = { mute: "muted", ban: "banned", warn: "warned" };

/** A verdict in words, at the time at which it was given. */
export function verdictWords({ kind, until }: Verdict, ts: number): string {
  const word = WORDS[kind] ?? kind;
  return kind === "mute" && until !== null ? `${word} for ${Math.round((until - ts) / 1000)} s` : word;
}

/** What a bot is doing, or how it ended. */
export function botWords(bot: Bot, nowMs: number): string {
  if (bot.close !== null) return `${bot.ended ?? "ended"}, closed with ${bot.close}`;
  const verdict = verdictNow(bot, nowMs);
  return bot.ended ?? (verdict === null ? "playing" : (WORDS[verdict.kind] ?? verdict.kind));
}

/** The verdict that is in force. */
export const verdictNow = ({ verdict }: Bot, nowMs: number): Verdict | null =>
  verdict !== null && (verdict.until === null || verdict.until > nowMs) ? verdict : null;

/** What a bot has done, in words. */
export function countWords({ cheat, done, refused }: Bot): string {
  const what = cheat.includes("wave") ? "waves" : "taps";
  return `${done} ${what}${refused > 0 ? `, ${refused} refused` : ""}`;
}
