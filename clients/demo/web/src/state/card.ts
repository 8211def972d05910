/** One match on the scoreboard: the state of its room `score:<match>`, as signals. */

import { computed, signal } from "@preact/signals";

import {
  type Clock,
  clockOf,
  type Goal,
  goalOf,
  isOver,
  type Period,
  periodOf,
  type Score,
  scoreOf,
} from "../model/scoreboard";
import { huesOf, NO_TEAMS } from "../model/teams";

export class Card {
  readonly id: string;
  readonly score = signal<Score | null>(null);
  readonly period = signal<Period | null>(null);
  readonly clock = signal<Clock | null>(null);
  readonly lastGoal = signal<Goal | null>(null);
  /** How many goals were scored while the page watched. A change of it is celebrated. */
  readonly celebrations = signal(0);

  readonly teams = computed(() => this.score.value?.teams ?? NO_TEAMS);
  readonly hues = computed(() => huesOf(this.teams.value));
  readonly isOver = computed(() => isOver(this.period.value));

  constructor(id: string) {
    this.id = id;
  }

  /** An event of the room. `isFresh`: it has just happened. Returns a goal that has just been scored. */
  take(key: string | null, data: unknown, isFresh: boolean): Goal | null {
    if (key === "score") this.score.value = scoreOf(data) ?? this.score.value;
    else if (key === "period") this.period.value = periodOf(data) ?? this.period.value;
    else if (key === "clock") this.clock.value = clockOf(data) ?? this.clock.value;
    else if (key === "last_goal") return this.#goal(goalOf(data), isFresh);
    return null;
  }

  /** The room starts over: what is not in its new state is no longer true. */
  clear(): void {
    this.lastGoal.value = null;
  }

  #goal(goal: Goal | null, isFresh: boolean): Goal | null {
    if (goal === null) return null;
    this.lastGoal.value = goal;
    if (!isFresh) return null;
    this.celebrations.value += 1;
    return goal;
  }
}
