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

/** The data that `jsonOf` wrote. */
export function actionData(text: string): ActionData {
  const json = text.replace(/\\(\\|ud[89a-f]..)/g, (sequence) => (sequence === "\\\\" ? sequence : "\\ufffd"));
  return { value: JSON.parse(json), sizeBytes: bytesOf(json) };
}
