/** What a close by the server means, as a `Reason` for the status, or for the error of a client that gives up. */

import { CloseCode } from "../codes.js";
import type { Reason, Verdict } from "../types.js";

const FIXED_TOKEN = "the token has expired: pass a function as token that returns a new one each time";

/** The name of a close in the protocol's table. */
const nameOf = (code: number): string =>
  Object.entries(CloseCode)
    .find(([, each]) => each === code)?.[0]
    .toLowerCase() ?? `close_${code}`;

/**
 * `reason` is that of the close frame, and `lastError` the error that the server sent before it: servers send the name
 * of a close if they have nothing to add. `verdict` is the newest one about the player.
 */
export function closeReason(code: number, reason: string, lastError: string, verdict: Verdict | null): Reason {
  const name = nameOf(code);
  const hint = code === CloseCode.TOKEN_EXPIRED ? FIXED_TOKEN : "";
  const why = code === CloseCode.BANNED && verdict !== null ? verdict.reason : lastError || hint;
  const texts = [`the connection was closed with ${code} ${name}`, reason === name ? "" : reason, why];
  return { code: name, message: texts.filter((text) => text !== "").join(": ") };
}
