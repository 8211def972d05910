/** Counts the gaps of one subscription, and how many of them were healed: the client asks for missing events again. */

import type { Joined, Subscription } from "touchline";

import type { Link } from "../state/link";

export class Gaps {
  #link: Link;
  #counted = 0;
  #isOpen = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Call this whenever the subscription has reported anything. */
  look({ gaps }: Subscription): void {
    if (gaps === this.#counted) return;
    this.#counted = gaps;
    if (!this.#isOpen) this.#link.foundGap(); // else it is the same gap, which asking again did not heal
    this.#isOpen = true;
  }

  /** A room that starts over has lost the missing events. */
  joined({ recovered }: Joined): void {
    if (!recovered) this.#isOpen = false;
  }

  /** An event came, in order: what was missing before it has come too. */
  event(): void {
    if (this.#isOpen) this.#link.healedGap();
    this.#isOpen = false;
  }
}
