/** An action's data as it is when the user acts, who may change it while the code for acting loads. */

import { BadArgument } from "../../errors.js";

/** The data as `JSON.stringify` writes it. Throws `BadArgument` if it cannot be sent. */
export function jsonOf(data: unknown): string {
  try {
    return JSON.stringify(data ?? null, refuseOddNumbers) ?? "null";
  } catch (error) {
    throw new BadArgument(`the action's data cannot be sent: ${(error as Error).message}`, { cause: error });
  }
}

/** `JSON.stringify` would make them null, which is not what the caller meant. */
function refuseOddNumbers(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`JSON has no ${value}`);
  return value;
}
