/**
 * What a reload of the page keeps of the open match: its newest events, and the cursor right after them. Pure.
 *
 * The SDK keeps a room's state and cursor. The timeline is made of events that are not state, so a cursor alone would
 * lead to a page that is up to date, and empty. Events and cursor are one entry: neither is of use without the other.
 */

import { fieldsOf, listOf, numberOf, textOf } from "./shape";

export interface KeptEvent {
  readonly offset: number;
  readonly data: unknown;
}

export interface KeptMatch {
  readonly id: string;
  readonly cursor: string;
  /** Oldest first. */
  readonly events: readonly KeptEvent[];
  readonly isKeyOnly: boolean;
}

export const textOfKeptMatch = (match: KeptMatch): string => JSON.stringify(match);

/** What `textOfKeptMatch` wrote; null if it is anything else. */
export function keptMatchOf(text: string | null): KeptMatch | null {
  const fields = fieldsOf(parsed(text ?? ""));
  const id = textOf(fields.id);
  const cursor = textOf(fields.cursor);
  const events = listOf(fields.events).map(keptEventOf);
  if (id === null || cursor === null || !Array.isArray(fields.events) || events.includes(null)) return null;
  return { id, cursor, events: events.filter((event) => event !== null), isKeyOnly: fields.isKeyOnly === true };
}

function keptEventOf(value: unknown): KeptEvent | null {
  const { offset, data } = fieldsOf(value);
  const number = numberOf(offset);
  return number === null ? null : { offset: number, data };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
