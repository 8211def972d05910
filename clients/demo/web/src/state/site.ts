/** Everything that the page shows, as one object. The components read it; `live/` fills it. */

import { computed, signal } from "@preact/signals";

import type { Train } from "../live/train";
import { NO_TEAMS } from "../model/teams";
import type { Card } from "./card";
import { Detection } from "./detection";
import { Game } from "./game";
import { Link } from "./link";
import { OpenMatch } from "./open_match";

export class Site {
  readonly cards = signal<readonly Card[]>([]);
  readonly openId = signal<string | null>(null);
  /** The visitor chose the open match, not the page. On a phone, only a chosen match is a screen of its own. */
  readonly isChosen = signal(false);
  /** What the address names, if that is not a match that is played now. */
  readonly unknownMatch = signal("");
  readonly attribution = signal("");
  /** Why there is nothing to show, if there is a reason. */
  readonly notice = signal("");
  /** For those who do not see the page. */
  readonly announcement = signal("");

  readonly link: Link;
  readonly game = new Game();
  readonly detection = new Detection();
  readonly openCard = computed(() => this.cards.value.find(({ id }) => id === this.openId.value) ?? null);
  readonly match = new OpenMatch(() => this.openCard.peek()?.teams.peek() ?? NO_TEAMS);

  constructor(train: Train) {
    this.link = new Link(train);
  }

  cardOf(id: string): Card | null {
    return this.cards.peek().find((card) => card.id === id) ?? null;
  }
}
