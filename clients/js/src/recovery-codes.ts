/**
 * Which errors and closes a client recovers from, and the names of closes: what every page needs of the table of codes.
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

/** The names of closes. */
export const CLOSE_NAMES = `
1000 normal
1001 going_away
1002 protocol_error
1003 wrong_frame
1006 abnormal
1007 invalid_text
1009 too_big
1011 internal_error
4000 too_slow
4001 hello_timeout
4002 token_expired
4003 token_key_unknown
4004 too_many_player_connections
4500 hello_expected
4501 too_many_errors
4502 unauthorized
4503 banned
4504 session_replaced
4505 too_many_pings
4506 too_many_messages
4507 too_many_bytes
`;
