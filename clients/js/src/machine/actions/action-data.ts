/**
 * What an action may carry: its kind, and data that every JSON and MessagePack reader represents alike (RFC 7493).
 *
 * Anything else is refused here, where the caller gets a stack trace. Only unpaired surrogates are replaced, as
 * `String.prototype.toWellFormed` does: they come from text that was cut in the middle of an emoji, and a server could
 * not even read the message's id.
 */

import { BadArgument } from "../../errors.js";
import { bytesOf } from "../text.js";

/** A copy of the data as JSON has it, and its size there. */
export interface ActionData {
  readonly value: unknown;
  readonly sizeBytes: number;
}

export function checkKind(kind: string): void {
  if (!/^[\w.-]{1,64}$/.test(kind)) {
    throw new BadArgument(`${kind} is not a kind of action: use 1 to 64 letters, digits, _, . and -, such as tap`);
  }
}

/** The data as `JSON.stringify` writes it. Throws `BadArgument` if it cannot be sent. */
export function actionData(data: unknown): ActionData {
  try {
    const text = JSON.stringify(data ?? null, refuseOddNumbers) ?? "null";
    const json = text.replace(/\\(\\|ud[89a-f]..)/g, (sequence) => (sequence === "\\\\" ? sequence : "\\ufffd"));
    return { value: JSON.parse(json), sizeBytes: bytesOf(json) };
  } catch (error) {
    throw new BadArgument(`the action's data cannot be sent: ${(error as Error).message}`, { cause: error });
  }
}

/** `JSON.stringify` would make them null, which is not what the caller meant. */
function refuseOddNumbers(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`JSON has no ${value}`);
  return value;
}
