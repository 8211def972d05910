/** An action's data as JSON, which must carry all of it. */

import { invalid, isFunction } from "../../checks.js";

/** The data as `JSON.stringify` writes it. Throws `BadArgument` if it cannot be sent. */
export function jsonOf(data: unknown): string {
  try {
    return JSON.stringify(data ?? null, refuseLoss) ?? "null";
  } catch (error) {
    throw invalid("data", error);
  }
}

/** `JSON.stringify` would make them null, nothing or `{}`, which is not what the caller meant. */
function refuseLoss(_key: string, value: unknown): unknown {
  const isLost = typeof value === "number" ? !Number.isFinite(value) : isFunction(value) || typeof value === "symbol";
  if (isLost || value instanceof Map || value instanceof Set) throw value;
  return value;
}
