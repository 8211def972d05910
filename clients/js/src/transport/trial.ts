/** While server-sent events are in use: tries a WebSocket on the side, again and again, until one opens. */

import type { TransportChoice } from "./choice.js";
import type { Link, OpenLink } from "./link.js";

/** How long a WebSocket may take to open that is tried on the side. */
const OPEN_MS_MAX = 15_000;
/** From one try to the next: twice as long each time, up to this. */
const TRIAL_MS_MAX = 600_000;

export class Trial {
  readonly #choice: TransportChoice;
  readonly #open: OpenLink;
  readonly #onSuccess: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #link: Link | null = null;

  /** `onSuccess` is called once a WebSocket has opened: the choice is then WebSockets again. */
  constructor(choice: TransportChoice, open: OpenLink, onSuccess: () => void) {
    this.#choice = choice;
    this.#open = open;
    this.#onSuccess = onSuccess;
  }

  start(): void {
    if (!this.#choice.isAuto) return;
    this.#timer = setTimeout(() => this.#try(), this.#choice.trialMs);
    this.#choice.trialMs = Math.min(2 * this.#choice.trialMs, TRIAL_MS_MAX);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = null;
  }

  #try(): void {
    this.#timer = setTimeout(() => this.#failed(), OPEN_MS_MAX);
    this.#link = this.#open({
      opened: () => this.#succeeded(),
      received: () => {},
      closed: () => this.#failed(),
    });
  }

  #failed(): void {
    this.end();
    this.start();
  }

  #succeeded(): void {
    this.end();
    this.#choice.current = "websocket";
    this.#onSuccess();
  }
}
