/**
 * What a client does after a code, also if it is not in the tables of this version: servers may be newer.
 *
 * The rules are in "Codes" and "Acting" of protocol/README.md. The tables have what differs from them.
 */
import { CLOSE_RECOVERY, ERROR_RECOVERY, NACK_RECOVERY, type Recovery } from "./codes.js";

/** What to do after an `error` message. An unknown code means to give up on the room that the error names. */
export function recoveryOfError(code: string): Recovery {
  return listed(ERROR_RECOVERY, code) ?? "give_up";
}

/** What to do after a `nack` with this `retry_ms`. With an unknown code, that alone decides. */
export function recoveryOfNack(code: string, retryMs: number | undefined): Recovery {
  return listed(NACK_RECOVERY, code) ?? (retryMs === undefined ? "give_up" : "retry");
}

/** What to do after a close frame, or 1006 for a lost connection. An unknown code from 4500 to 4999 means to give up. */
export function recoveryOfClose(code: number): Recovery {
  return listed(CLOSE_RECOVERY, code) ?? (code >= 4500 && code <= 4999 ? "give_up" : "reconnect");
}

/** The entry of a table, which a code such as `toString` has not. */
function listed(table: Readonly<Record<string, Recovery>>, code: string | number): Recovery | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined;
}
