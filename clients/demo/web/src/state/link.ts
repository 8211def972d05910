/** The connection as a visitor sees it: its status, how late events are, and what was missed and caught up on. */

import { computed, signal } from "@preact/signals";
import { type ConnectionFailed, ConnectionRefused, type Status } from "touchline";

import type { Train } from "../live/train";
import { type CatchUp, CatchUpCounter } from "../model/catch_up";
import { durationText, LatencyLog } from "../model/latency";

const TICK_MS = 250;
const QUIET_MS = 400; // without old events, everything is caught up on
const CATCH_UP_SHOWN_MS = 8_000;
const BEHIND_MS = 1_500; // events that are later than this are worth a word

export class Link {
  readonly status = signal<Status>({ state: "connecting", reason: null });
  readonly train = signal<Train["signal"]>("good");
  readonly events = signal(0);
  /** How often events were found missing, and for how many of these they came after all. */
  readonly gaps = signal({ found: 0, healed: 0 });
  readonly columns = signal<readonly (number | null)[]>([]);
  readonly medianMs = signal<number | null>(null);
  readonly newestMs = signal(0);
  readonly heldBack = signal(0);
  readonly caughtUp = signal<CatchUp | null>(null);
  readonly retryS = signal<number | null>(null);
  #train: Train;
  #latency = new LatencyLog();
  #catchUp = new CatchUpCounter();
  #shownTimer = 0;
  #eventCount = 0;
  #wasEverOpen = false;

  readonly isOpen = computed(() => this.status.value.state === "open");
  readonly isBehind = computed(() => this.isOpen.value && this.heldBack.value > 0 && this.newestMs.value > BEHIND_MS);

  constructor(train: Train) {
    this.#train = train;
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** The client reports another status. */
  report(status: Status): void {
    const wasOpen = this.isOpen.value;
    this.status.value = status;
    if (!wasOpen && this.isOpen.value && this.#wasEverOpen) this.#catchUp.begin(Date.now());
    this.#wasEverOpen ||= this.isOpen.value;
    this.#tick();
  }

  /** The visitor rides on with another signal. */
  ride(signal: Train["signal"]): void {
    if (this.train.value === "slow") this.#catchUp.begin(Date.now());
    this.train.value = signal;
    this.#train.go(signal);
  }

  /** An event has arrived. */
  count(ts: number, isLive: boolean): void {
    const ageMs = Math.max(0, Date.now() - ts); // clocks may differ by more than the latency
    this.#eventCount += 1;
    this.#catchUp.take(ageMs, Date.now());
    if (!isLive) return;
    this.#latency.add(ageMs, Date.now());
    this.newestMs.value = ageMs;
  }

  foundGap(): void {
    const { found, healed } = this.gaps.value;
    this.gaps.value = { found: found + 1, healed };
  }

  healedGap(): void {
    const { found, healed } = this.gaps.value;
    this.gaps.value = { found, healed: healed + 1 };
  }

  /** The status in a few words. */
  readonly words = computed(() => {
    const status = this.status.value;
    if (status.state === "closed") return `the server refused this page: ${refusal(status.error)}`;
    if (status.state === "connecting") return "connecting";
    if (status.state === "waiting") return this.#waitingWords();
    return this.isBehind.value ? `${durationText(this.newestMs.value)} behind` : "live";
  });

  #waitingWords(): string {
    if (this.train.value === "tunnel") return "offline";
    return this.retryS.value === null ? "waiting" : `back in ${this.retryS.value} s`;
  }

  #tick(): void {
    const nowMs = Date.now();
    this.events.value = this.#eventCount;
    this.columns.value = this.#latency.columns(nowMs);
    this.medianMs.value = this.#latency.medianMs;
    this.heldBack.value = this.#train.heldBack;
    const status = this.status.value;
    const retryAt = status.state === "waiting" ? status.retryAt : null;
    this.retryS.value = retryAt === null ? null : Math.max(0, Math.ceil((retryAt - nowMs) / 1000));
    const caughtUp = this.#catchUp.end(nowMs, QUIET_MS);
    if (caughtUp !== null) this.#show(caughtUp);
  }

  #show(caughtUp: CatchUp): void {
    clearTimeout(this.#shownTimer);
    this.caughtUp.value = caughtUp;
    this.#shownTimer = window.setTimeout(() => (this.caughtUp.value = null), CATCH_UP_SHOWN_MS);
  }
}

function refusal(error: ConnectionFailed | null): string {
  if (error === null) return "";
  const closeCode = error instanceof ConnectionRefused ? error.closeCode : null;
  return closeCode === null ? error.message : `${closeCode} ${error.message}`;
}
