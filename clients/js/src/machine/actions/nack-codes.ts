/**
 * Which nacks a client recovers from.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it.
 */

/**
 * The codes of `nack` messages after which a client tries again. After any other, it gives up, unless the nack says
 * when to retry.
 */
export const RECOVERABLE_NACKS: ReadonlySet<string> = new Set([
  "id_gap",
  "rate_limited",
  "too_many_unacked",
  "log_unavailable",
  "token_expired",
]);
