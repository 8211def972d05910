/** Which match is open: the one that the address names, or the first if there is room beside the cards. */

import { batch } from "@preact/signals";

import { Card } from "../state/card";
import type { Site } from "../state/site";
import type { Client } from "./client";

/** The address of the list of matches. */
const ALL_MATCHES = "matches";
/** Of an address that is shown: anybody can write it into a link. */
const NAME_CHARS_MAX = 40;

const isWide = matchMedia("(min-width: 900px)");

export class Navigation {
  #site: Site;
  #client: Client;

  constructor(site: Site, client: Client) {
    this.#site = site;
    this.#client = client;
    addEventListener("hashchange", () => this.#openSomething());
    isWide.addEventListener("change", () => this.#openSomething());
  }

  /** The server plays these matches now. */
  show(ids: readonly string[]): void {
    const cards = this.#site.cards.peek();
    const added = ids.filter((id) => !this.#site.cardOf(id)).map((id) => new Card(id));
    const gone = cards.filter(({ id }) => !ids.includes(id));
    if (added.length > 0 || gone.length > 0) {
      this.#site.cards.value = [...cards.filter((card) => !gone.includes(card)), ...added];
      for (const card of added) this.#client.followScore(card);
      for (const { id } of gone) this.#client.leaveScore(id);
    }
    this.#openSomething();
  }

  #openSomething(): void {
    const cards = this.#site.cards.peek();
    const name = location.hash.slice(1);
    const chosen = this.#site.cardOf(name);
    const isUnknown = cards.length > 0 && chosen === null && name !== "" && name !== ALL_MATCHES;
    this.#site.unknownMatch.value = isUnknown ? name.slice(0, NAME_CHARS_MAX) : "";
    const first = isWide.matches || cards.length === 1 ? cards[0] : undefined;
    if (chosen !== null) this.#open(chosen.id, true);
    else if (this.#isShownUnchosen()) return;
    else if (first !== undefined) this.#open(first.id, false);
    else this.#close();
  }

  /** Whether the page has opened a match by itself, which is still played. */
  #isShownUnchosen(): boolean {
    const opened = this.#site.openId.peek();
    return opened !== null && this.#site.cardOf(opened) !== null && !this.#site.isChosen.peek();
  }

  #open(id: string, isChosen: boolean): void {
    const site = this.#site;
    site.isChosen.value = isChosen;
    if (site.openId.peek() === id) return;
    batch(() => {
      this.#close();
      site.openId.value = id;
      site.isChosen.value = isChosen;
      site.match.clear();
      site.match.clearStats();
      site.game.clear();
    });
    this.#client.open(id);
  }

  #close(): void {
    const opened = this.#site.openId.peek();
    if (opened === null) return;
    this.#client.close(opened);
    this.#site.openId.value = null;
    this.#site.isChosen.value = false;
  }
}
