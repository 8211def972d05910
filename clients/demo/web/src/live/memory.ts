/**
 * What the page keeps in the browser's storage of this tab, so that a reload goes on where it was.
 *
 * A storage that is full, forbidden or damaged is not an error: the page then begins as if it were new.
 */

import { type KeptMatch, keptMatchOf, textOfKeptMatch } from "../model/kept_match";

const MATCH_KEY = "touchline-demo:match";
const TOKEN_KEY = "touchline-demo:token";

export class Memory {
  readonly storage: Storage | null;
  #match: KeptMatch | null;

  constructor() {
    this.storage = tabStorage();
    this.#match = keptMatchOf(this.#get(MATCH_KEY));
  }

  /** What was kept of a match. Only once: by the next time, the page has moved on. */
  takeMatch(id: string): KeptMatch | null {
    const match = this.#match;
    this.#match = null;
    return match?.id === id ? match : null;
  }

  /** `match` returns what to keep of the open match, and is called whenever the page may be about to end. */
  keepMatch(match: () => KeptMatch | null): void {
    const keep = (): void => {
      const kept = match();
      this.#set(MATCH_KEY, kept === null ? null : textOfKeptMatch(kept));
    };
    addEventListener("pagehide", keep);
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && keep());
  }

  /** The token of the player that this tab plays as. */
  get token(): string | null {
    return this.#get(TOKEN_KEY);
  }

  set token(token: string | null) {
    this.#set(TOKEN_KEY, token);
  }

  #get(key: string): string | null {
    try {
      return this.storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  /** Null removes what was there. So does a storage that is full: an older entry must not come back. */
  #set(key: string, text: string | null): void {
    try {
      if (text !== null) this.storage?.setItem(key, text);
      else this.storage?.removeItem(key);
    } catch {
      if (text !== null) this.#set(key, null);
    }
  }
}

/** Null where the browser forbids it: reading `sessionStorage` throws there. */
function tabStorage(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
