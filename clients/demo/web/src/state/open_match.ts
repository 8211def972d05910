/** The open match: its newest events, its stats and who watches it, as signals. */

import { computed, signal } from "@preact/signals";

import { type Action, actionOf, Ball } from "../model/ball";
import type { KeptMatch } from "../model/kept_match";
import { type MatchEvent, matchEventOf } from "../model/match_event";
import { comparisonsOf, type KeyMoment, momentsOf, periodsOf } from "../model/stats";
import type { Teams } from "../model/teams";
import { Paced } from "./paced";

/** Rows of the timeline: more would not help a reader, and each costs the browser a layout. */
export const ENTRIES_MAX = 120;
/** Nobody reads faster, and each change lays the whole list out. The ball and the score are not held up. */
const ENTRIES_EVERY_MS = 120;
/** The last actions that are drawn on the pitch. */
const ACTIONS_MAX = 9;

export interface Entry {
  readonly offset: number;
  readonly event: MatchEvent;
}

export class OpenMatch {
  readonly entries = signal<readonly Entry[]>([]);
  readonly keyEntries = signal<readonly Entry[]>([]);
  readonly actions = signal<readonly Action[]>([]);
  readonly viewers = signal<number | null>(null);
  readonly periods = signal(periodsOf(null));
  readonly moments = signal<readonly KeyMoment[]>([]);
  readonly comparisons = signal(comparisonsOf(null));
  readonly isKeyOnly = signal(false);
  readonly ball = new Ball();
  #teams: () => Teams;
  #entries: readonly Entry[] = [];
  #keyEntries: readonly Entry[] = [];
  #showEntries = new Paced(ENTRIES_EVERY_MS, () => {
    this.entries.value = this.#entries;
    this.keyEntries.value = this.#keyEntries;
  });

  /** Key moments that are older than the events that this page has. */
  readonly olderMoments = computed(() => {
    const known = new Set(this.keyEntries.value.map(({ event }) => event.id));
    const [oldest] = this.entries.value;
    return this.moments.value.filter((moment) => !known.has(moment.id) && isBefore(moment, oldest?.event));
  });

  /** `teams` returns the teams of the match. */
  constructor(teams: () => Teams) {
    this.#teams = teams;
  }

  /** Begin with another match, or again. */
  clear(): void {
    this.#entries = [];
    this.#keyEntries = [];
    this.#showEntries.soon();
    this.actions.value = [];
    this.ball.land();
  }

  /** Forget the numbers of another match. */
  clearStats(): void {
    this.viewers.value = null;
    this.periods.value = periodsOf(null);
    this.moments.value = [];
    this.comparisons.value = comparisonsOf(null);
  }

  /** What a reload of the page keeps: everything that the timeline shows. */
  get kept(): Pick<KeptMatch, "events" | "isKeyOnly"> {
    const oldest = this.#entries[0]?.offset ?? Number.POSITIVE_INFINITY;
    const entries = [...this.#keyEntries.filter(({ offset }) => offset < oldest), ...this.#entries];
    const events = entries.map(({ offset, event }) => ({ offset, data: event.details }));
    return { events, isKeyOnly: this.isKeyOnly.peek() };
  }

  /** Begin with what was kept from before a reload. */
  restore({ events, isKeyOnly }: KeptMatch): void {
    this.isKeyOnly.value = isKeyOnly;
    for (const { offset, data } of events) this.add(offset, data);
    this.ball.land();
  }

  /** An event of the room `match:<match>`. */
  add(offset: number, data: unknown): void {
    const event = matchEventOf(data);
    if (event === null) return;
    const entry = { offset, event };
    this.#entries = kept(this.#entries, entry, ENTRIES_MAX);
    if (event.moment) this.#keyEntries = kept(this.#keyEntries, entry, ENTRIES_MAX);
    this.#showEntries.soon();
    const action = actionOf(event, this.#teams(), offset);
    if (action === null) return;
    this.ball.add(action);
    this.actions.value = kept(this.actions.value, action, ACTIONS_MAX);
  }

  /** An event of the room `stats:<match>`. */
  takeStats(key: string | null, data: unknown): void {
    if (key === "momentum") this.periods.value = periodsOf(data);
    else if (key === "moments") this.moments.value = momentsOf(data);
    else if (key === "totals") this.comparisons.value = comparisonsOf(data);
  }
}

function kept<T>(items: readonly T[], item: T, max: number): readonly T[] {
  return [...items.slice(Math.max(0, items.length + 1 - max)), item];
}

function isBefore(moment: KeyMoment, event: MatchEvent | undefined): boolean {
  if (event === undefined) return true;
  const [period, minute] = [event.period ?? 0, event.minute ?? 0];
  return moment.period < period || (moment.period === period && moment.minute < minute);
}
