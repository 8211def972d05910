/** Checks arguments and options, which plain JavaScript may pass in any type. Null counts as left out. */

import { BadArgument } from "./errors.js";
import { AGENT_CHARS_MAX, RECENT_EVENTS_MAX, ROOM_ID_BYTES_MAX } from "./limits.js";
import { bytesOf } from "./machine/text.js";
import type { Backoff, ConnectOptions, SubscribeOptions } from "./types.js";

/** Whether an option may have this value. */
type Check = (value: never) => unknown;
type Name = Exclude<keyof ConnectOptions | keyof SubscribeOptions | keyof Backoff, `on${string}`>;

export const isFunction = (value: unknown): boolean => typeof value === "function";
const isAny = (): boolean => true;
const isAmount = (value: number): boolean => value >= 1 && value < Infinity;

/** All options of `connect` and `subscribe` in one table, which takes fewer bytes than one for each. */
const CHECKS: Readonly<Record<Name, Check>> = {
  token: isAny, // token-source.ts checks it
  storage: isFunction,
  transport: (name: string) => /^(auto|websocket|sse)$/.test(name),
  codec: (codec: { encode: unknown }) => codec.encode,
  WebSocket: isFunction,
  fetch: isFunction,
  backoff: checkOptions,
  baseMs: isAmount,
  maxMs: isAmount,
  eventsBufferMax: isAmount,
  actionsBufferMax: isAmount,
  agent: (agent: string) => agent.length <= AGENT_CHARS_MAX,
  after: isAny, // cursor.ts checks it
  last: (last: number) => Number.isInteger(last) && last >= 0 && last <= RECENT_EVENTS_MAX,
  deliver: (deliver: string) => /^(all|latest)$/.test(deliver),
  occupancy: isAny,
  members: isAny,
  persist: isAny,
};

export const invalid = (name: string, value: unknown): BadArgument =>
  new BadArgument(`invalid ${name}: ${String(value)}`);

/** Throws `BadArgument` unless `isRight`. */
export function mustBe(isRight: unknown, name: string, value: unknown): void {
  if (!isRight) throw invalid(name, value);
}

/** Throws `BadArgument` at an option that is unknown, or cannot have its value. Listeners are functions. */
export function checkOptions(options: object): true {
  for (const [name, value] of Object.entries(options)) {
    const check: Check | undefined = name.startsWith("on") ? isFunction : CHECKS[name as Name];
    if (value != null) mustBe(check?.(value as never), name, value);
  }
  return true;
}

/** The protocol forbids some rarer characters, too, which the server refuses. */
export function checkRoom(room: string): void {
  const id = /^[a-z][a-z0-9_-]{0,31}:([^\s*\p{Cc}\p{Cs}\p{Co}]+)$/u.exec(room)?.[1];
  mustBe(id && bytesOf(id) <= ROOM_ID_BYTES_MAX, "room", room);
}
