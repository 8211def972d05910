/**
 * What a client does after a code, also if it is not in the tables of this version: servers may be newer.
 *
 * The rules are in "Codes" and "Acting" of protocol/README.md.
 */
import {
  CLOSE_RECOVERY,
  type CloseCode,
  ERROR_RECOVERY,
  type ErrorCode,
  NACK_RECOVERY,
  type NackCode,
  type Recovery,
} from "./codes.js";

/** What to do after an `error` message. An unknown code means to give up on the room that the error names. */
export function recoveryOfError(code: string): Recovery {
  return Object.hasOwn(ERROR_RECOVERY, code) ? ERROR_RECOVERY[code as ErrorCode] : "give_up";
}

/** What to do after a `nack` with this `retry_ms`. With an unknown code, that alone decides. */
export function recoveryOfNack(code: string, retryMs: number | undefined): Recovery {
  if (Object.hasOwn(NACK_RECOVERY, code)) return NACK_RECOVERY[code as NackCode];
  return retryMs === undefined ? "give_up" : "retry";
}

/** What to do after a close frame, or 1006 for a lost connection. An unknown code from 4500 to 4999 means to give up. */
export function recoveryOfClose(code: number): Recovery {
  if (Object.hasOwn(CLOSE_RECOVERY, code)) return CLOSE_RECOVERY[code as CloseCode];
  return code >= 4500 && code <= 4999 ? "give_up" : "reconnect";
}
