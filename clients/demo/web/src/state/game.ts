/**
 * The game of the open match: cheers for its teams, waves, and this player's standing, as signals. It shows the events of
 * the room `cheer:<match>`, and what became of each of this player's actions.
 */

import { computed, signal } from "@preact/signals";

import { isObject, numberOf } from "../model/shape";
import type { Side } from "../model/teams";

export interface Verdict {
  readonly kind: string;
  readonly reason: string;
  readonly until?: number | null;
}

/** One tap of this player on its way to the log. */
export interface Tap {
  readonly id: number;
  readonly side: Side | "wave";
  readonly state: "sent" | "acknowledged" | "refused";
}

/** How this player's taps fare. */
export interface Tally {
  readonly sent: number;
  readonly acknowledged: number;
  readonly refused: number;
  /** From the tap to its acknowledgement. */
  readonly lastMs: number | null;
}

const NO_TAPS: Tally = { sent: 0, acknowledged: 0, refused: 0, lastMs: null };
const SHOWN_TAPS_MAX = 12;
const WORD_MS = 4_000; // how long a passing message is shown

const WORDS: Readonly<Record<string, string>> = {
  actions_full: "The connection cannot keep up: some taps were dropped.",
  in_doubt: "Some taps may have been lost with the connection.",
  actions_disabled: "This page can only watch.",
  watching_only: "WebSockets are blocked here, so this page can only watch.",
};

export class Game {
  readonly player = signal<string | null>(null);
  readonly verdict = signal<Verdict | null>(null);
  readonly cheers = signal<Readonly<Record<Side, number>>>({ home: 0, away: 0 });
  readonly joined = signal(0);
  readonly wave = signal<{ offset: number; ms: number } | null>(null);
  readonly tally = signal<Tally>(NO_TAPS);
  readonly taps = signal<readonly Tap[]>([]);
  readonly isOver = signal(false);
  readonly #word = signal("");
  #verdictTimer = 0;
  #waveTimer = 0;
  #wordTimer = 0;
  #taps = 0;

  readonly canPlay = computed(
    () => this.player.value !== null && !this.isOver.value && !["mute", "ban"].includes(this.verdict.value?.kind ?? ""),
  );
  readonly canJoin = computed(() => this.canPlay.value && this.wave.value !== null);
  readonly word = computed(() => this.#word.value || this.#standing());

  /** Another match is open. */
  clear(): void {
    this.cheers.value = { home: 0, away: 0 };
    this.joined.value = 0;
    this.endWave();
  }

  take(key: string | null, data: unknown, offset: number, isFresh: boolean): void {
    if (!isObject(data)) return;
    if (key === "cheers") this.cheers.value = { home: numberOf(data.home) ?? 0, away: numberOf(data.away) ?? 0 };
    else if (key === "joined") this.joined.value = numberOf(data.players) ?? 0;
    else if (key === "wave" && isFresh) this.#beginWave(numberOf(data.ms) ?? 0, offset);
  }

  /** This page plays as `name` now; null without a token. */
  become(name: string | null): void {
    if (name !== this.player.value) this.verdict.value = null;
    this.player.value = name;
  }

  /** A verdict about this player. `nowMs` is the server's time of day: the server does not announce the end of a mute. */
  judge(verdict: Verdict, nowMs: number): void {
    clearTimeout(this.#verdictTimer);
    this.verdict.value = verdict.kind === "pardon" ? null : verdict;
    this.#word.value = ""; // what was said before matters less
    if (verdict.kind !== "mute" || !verdict.until) return;
    this.#verdictTimer = window.setTimeout(() => (this.verdict.value = null), Math.max(0, verdict.until - nowMs));
  }

  /** The server will not let this player in again. */
  end(): void {
    this.isOver.value = true;
  }

  endWave(): void {
    clearTimeout(this.#waveTimer);
    this.wave.value = null;
  }

  /** Follow one action from the tap to its answer, which is `answer`. */
  async follow(side: Side | "wave", answer: Promise<unknown>): Promise<void> {
    const id = ++this.#taps;
    const begunMs = performance.now();
    this.#count({ sent: this.tally.value.sent + 1 });
    this.taps.value = [...this.taps.value.slice(1 - SHOWN_TAPS_MAX), { id, side, state: "sent" }];
    try {
      await answer;
      this.#count({ acknowledged: this.tally.value.acknowledged + 1, lastMs: performance.now() - begunMs });
      this.#settle(id, "acknowledged");
    } catch (error) {
      this.#count({ refused: this.tally.value.refused + 1 });
      this.#settle(id, "refused");
      this.#explain(error);
    }
  }

  /** Show a passing message. */
  say(word: string): void {
    clearTimeout(this.#wordTimer);
    this.#word.value = word;
    this.#wordTimer = window.setTimeout(() => (this.#word.value = ""), WORD_MS);
  }

  /** A tap has been shown for long enough. */
  forget(id: number): void {
    this.taps.value = this.taps.value.filter((tap) => tap.id !== id);
  }

  #explain(error: unknown): void {
    const { code, message } = error as { code?: string; message?: string };
    if (code !== "muted" && code !== "closed") this.say(WORDS[code ?? ""] ?? message ?? "");
  }

  #settle(id: number, state: Tap["state"]): void {
    this.taps.value = this.taps.value.map((tap) => (tap.id === id ? { ...tap, state } : tap));
  }

  #count(changes: Partial<Tally>): void {
    this.tally.value = { ...this.tally.value, ...changes };
  }

  #beginWave(ms: number, offset: number): void {
    clearTimeout(this.#waveTimer);
    this.wave.value = { offset, ms };
    this.#waveTimer = window.setTimeout(() => this.endWave(), ms);
  }

  #standing(): string {
    const { kind, reason, until } = this.verdict.value ?? {};
    if (kind === "ban") return `${reason} You are out. Reload the page to play as somebody else.`;
    if (kind === "mute") return `${reason} Your cheers don't count${until ? " for a few seconds" : ""}.`;
    if (kind === "warn") return reason ?? "";
    if (this.player.value === null) return "";
    return `You play as ${this.player.value}. Cheer for your team, and join the waves.`;
  }
}
