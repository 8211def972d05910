/** What a close by the server means, as a `Reason` for the status, or for the error of a client that gives up. */

import { CLOSE_NAMES } from "../codes.js";
import type { Reason, Verdict } from "../types.js";

/** The closes that a session treats by themselves. `CloseCode` has all, and would be loaded with all. */
export const TOKEN_EXPIRED = 4002;
export const UNAUTHORIZED = 4502;
const BANNED = 4503;

const FIXED_TOKEN = "pass a function as token, which returns a new one each time";

/** The name of a close in the protocol's table. */
const nameOf = (code: number): string => RegExp(`^${code} (.+)`, "m").exec(CLOSE_NAMES)?.[1] ?? `close_${code}`;

/**
 * `reason` is that of the close frame, and `lastError` the error that the server sent before it: servers send the name
 * of a close if they have nothing to add. `verdict` is the newest one about the player.
 */
export function closeReason(code: number, reason: string, lastError: string, verdict: Verdict | null): Reason {
  const name = nameOf(code);
  const hint = code === TOKEN_EXPIRED ? FIXED_TOKEN : "";
  const why = code === BANNED && verdict !== null ? verdict.reason : lastError || hint;
  const texts = [`closed with ${code} ${name}`, reason === name ? "" : reason, why];
  return { code: name, message: texts.filter((text) => text !== "").join(": ") };
}
