/**
 * Which errors and closes a client recovers from, and the names of some closes: what every page needs of the codes.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it. The rules for codes
 * that are not in it, since the server is newer, are in "Codes" of protocol/README.md.
 */

/** The codes of `error` messages after which a client tries again. After any other, it gives up. */
export const RECOVERABLE_ERRORS: ReadonlySet<string> = new Set([
  "unavailable",
  "too_many_subscribes",
  "too_many_refreshes",
  "too_many_connections",
  "token_key_unknown",
  "too_many_player_connections",
]);

/** The closes after which a client gives up, besides all from 4500 to 4999. */
export const FINAL_CLOSES: ReadonlySet<number> = new Set([1002, 1003, 1007, 1009]);

/** The names of closes below 4000. All others carry theirs as their reason. */
export const CLOSE_NAMES: Readonly<Record<number, string>> = {
  1000: "normal",
  1001: "going_away",
  1002: "protocol_error",
  1003: "wrong_frame",
  1006: "abnormal",
  1007: "invalid_text",
  1009: "too_big",
  1011: "internal_error",
};
