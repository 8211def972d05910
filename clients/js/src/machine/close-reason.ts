/** What a close by the server means, as a `Reason` for the status, or for the error of a client that gives up. */

import { CLOSE_NAMES, FINAL_CLOSES } from "../recovery-codes.js";
import type { Reason, Verdict } from "../types.js";
import type { ErrorMessage } from "./messages.js";

/** The closes that a session treats by themselves. `CloseCode` has all, and would be loaded with all. */
export const TOKEN_EXPIRED = 4002;
export const UNAUTHORIZED = 4502;
const BANNED = 4503;

const FIXED_TOKEN = "pass a function as token";

/** The name of a close. The protocol's own closes carry it as their reason. */
const nameOf = (code: number, reason: string): string =>
  CLOSE_NAMES[code] ?? (/^\w+$/.test(reason) ? reason : `close_${code}`);

/** The server would close again in the same way. */
export const isFinal = (code: number): boolean => FINAL_CLOSES.has(code) || (code >= 4500 && code <= 4999);

/**
 * `reason` is that of the close frame, and `error` what the server sent before it: servers send the name of a close
 * if they have nothing to add. `verdict` is the newest one about the player.
 */
export function closeReason(code: number, reason: string, error: ErrorMessage | null, verdict: Verdict | null): Reason {
  const name = nameOf(code, reason);
  let why = code === TOKEN_EXPIRED ? FIXED_TOKEN : "";
  if (error !== null) why = `${error.message} (${error.code})`;
  if (code === BANNED && verdict !== null) why = verdict.reason;
  const texts = [`closed with ${code} ${name}`, reason === name ? "" : reason, why];
  return { code: name, message: texts.filter(Boolean).join(": ") };
}
