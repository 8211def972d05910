/** Where tokens come from: the one that the user gave, or a function of the user's that is called for each. */

import { BadArgument } from "../errors.js";
import type { TokenFunction } from "../types.js";

const TOKEN_CHARS_MAX = 8_192;
/** How long the function may take. It may ask another service, which may have to sign somebody in. */
const TOKEN_MS_MAX = 30_000;

export class TokenSource {
  /** Each call of `get` may return a newer one. */
  readonly canRenew: boolean;
  readonly #token: string | TokenFunction | null;

  /** Throws `BadArgument` if this cannot be a token. */
  constructor(token: string | TokenFunction | null) {
    this.canRenew = typeof token === "function";
    this.#token = token;
    if (token !== null && typeof token !== "function") check(token);
  }

  /** The token to use now; null if the client has none. Rejects with whatever goes wrong in the function. */
  async get(): Promise<string | null> {
    if (typeof this.#token !== "function") return this.#token;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("too slow")), TOKEN_MS_MAX);
    });
    try {
      return check(await Promise.race([this.#token(), late]));
    } finally {
      clearTimeout(timer);
    }
  }
}

function check(token: unknown): string {
  if (typeof token === "string" && token.length > 0 && token.length <= TOKEN_CHARS_MAX) return token;
  throw new BadArgument(`a token has 1 to ${TOKEN_CHARS_MAX} characters`);
}
