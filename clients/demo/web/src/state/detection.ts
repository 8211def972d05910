/** The cheat detection panel: bots and findings from the room `cheatwatch:demo`, as signals. */

import { signal } from "@preact/signals";

import { type Bot, botOf, type Finding, findingOf } from "../model/detection";
import { fieldsOf, isObject, numberOf } from "../model/shape";

const FINDINGS_MAX = 30;

export class Detection {
  /** Whether the server has the room at all. */
  readonly isShown = signal(false);
  readonly actions = signal(0);
  readonly findingCount = signal(0);
  readonly bots = signal<readonly Bot[]>([]);
  /** Newest first. */
  readonly findings = signal<readonly Finding[]>([]);

  clear(): void {
    this.isShown.value = true;
    this.bots.value = [];
    this.findings.value = [];
  }

  take(key: string | null, data: unknown, ts: number): void {
    if (key === "counts") this.#count(data);
    else if (key?.startsWith("bot.")) this.#showBot(key, botOf(key, data), data === null);
    else if (key?.startsWith("finding.")) this.#showFinding(findingOf(`${key}@${ts}`, data, ts));
  }

  #count(data: unknown): void {
    if (!isObject(data)) return;
    this.actions.value = numberOf(fieldsOf(data).actions) ?? 0;
    this.findingCount.value = numberOf(fieldsOf(data).findings) ?? 0;
  }

  #showBot(key: string, bot: Bot | null, isGone: boolean): void {
    const bots = this.bots.value;
    if (isGone) this.bots.value = bots.filter((other) => other.key !== key);
    else if (bot === null) return;
    else if (bots.some((other) => other.key === key))
      this.bots.value = bots.map((other) => (other.key === key ? bot : other));
    else this.bots.value = [...bots, bot];
  }

  #showFinding(finding: Finding | null): void {
    if (finding !== null) this.findings.value = [finding, ...this.findings.value].slice(0, FINDINGS_MAX);
  }
}
