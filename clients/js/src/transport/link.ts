/** One connection to a server, whatever carries it: a WebSocket, or server-sent events. */

import type { ClientMessage } from "../machine/messages.js";

export interface Link {
  send(message: ClientMessage): void;
  /** Close it. Nothing is reported after this. */
  close(): void;
}

/** What a link reports. `closed` comes once, and may be the first thing: then it never opened. */
export interface LinkEvents {
  opened(): void;
  /** A message, decoded; undefined if that was not possible. */
  received(value: unknown): void;
  closed(code: number, reason: string): void;
}

export type OpenLink = (events: LinkEvents) => Link;
