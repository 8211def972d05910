/** Where tokens come from: the one that the user gave, or a function of the user's that is called for each. */

import { mustBe } from "../checks.js";
import type { TokenFunction } from "../types.js";

const TOKEN_CHARS_MAX = 8_192;
/** How long the function may take. It may ask another service, which may have to sign somebody in. */
const TOKEN_MS_MAX = 30_000;

/**
 * Returns what gets the token to use now, null if the client has none. It rejects with whatever goes wrong in the
 * user's function. Throws `BadArgument` if this cannot be a token.
 */
export function tokenSource(token: string | TokenFunction | null): () => Promise<string | null> {
  if (typeof token !== "function") {
    if (token !== null) check(token);
    return async () => token;
  }
  return async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(reject, TOKEN_MS_MAX, new Error("too slow"));
    });
    try {
      return check(await Promise.race([token(), late]));
    } finally {
      clearTimeout(timer);
    }
  };
}

function check(token: unknown): string {
  const isText = typeof token === "string";
  // The token itself is a secret.
  mustBe(isText && token.length > 0 && token.length <= TOKEN_CHARS_MAX, "token", isText ? token.length : typeof token);
  return token as string;
}
